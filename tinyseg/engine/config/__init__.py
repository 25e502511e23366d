"""What a run is, as its ``config.toml`` keeps it; options of training from files, and the presets."""
