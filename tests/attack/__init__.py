"""Files changed by strangers: every reader refuses them in a sentence, or reads them."""
