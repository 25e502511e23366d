"""What a run is made of: network and images, the loss, the optimiser and its schedule; and what goes wrong there."""
