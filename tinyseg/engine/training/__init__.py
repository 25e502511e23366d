"""From options to a trained network: what is checked first, the steps and epochs, and who is told of them."""
