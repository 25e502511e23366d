"""Networks side by side: several runs on the same images, and the page that shows them."""
