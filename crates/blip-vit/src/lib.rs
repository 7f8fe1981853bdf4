//! BLIP's ViT image encoder, on Burn
