//! BLIP's causal, image-grounded text decoder, on Burn
