"""What the keeper is made of: a session's questions, identities, postings, proofs, orders and quotes."""
