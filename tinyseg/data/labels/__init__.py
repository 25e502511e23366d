"""What masks mean: the names and colours of classes, and the class of each number or colour in a mask."""
