"""The portal: guidance, quiz, signature and sealed record for a city's staff and contractors."""
