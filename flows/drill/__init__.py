"""The drill: bad generations through the real loop, to see that the gate says no."""
