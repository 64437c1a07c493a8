"""Who asks, and what they may: keys, principals, and the signer of tickets."""
