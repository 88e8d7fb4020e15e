"""Pure decisions of the gateway agent: mapping, repeats, gaps, sealing, what to send next."""
