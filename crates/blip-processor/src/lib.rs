//! BLIP's preprocessing: pictures to pixel values as Pillow does it, BERT WordPiece, text cleaning
