//! Generation (greedy, beam search, sampling) and the task pipelines of BLIP, generic over its traits
