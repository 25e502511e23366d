"""What can be known of a network without training it: layers, receptive field, memory, gradients."""
