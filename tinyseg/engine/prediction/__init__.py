"""What a trained network says of images: labels, probabilities and scores, tile by tile where they are large."""
