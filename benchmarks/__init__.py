"""Load tests side by side with named peers. `make bench` runs them; README.md here says how to read them."""
