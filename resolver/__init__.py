"""The resolver: answers anyone, with a proof, through the interfaces they already speak."""
