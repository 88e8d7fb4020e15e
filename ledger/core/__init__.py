"""What is signed, hashed and proved: pure functions on values, no I/O, no clock, no chance."""
