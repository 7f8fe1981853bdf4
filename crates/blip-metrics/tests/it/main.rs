//! The official evaluations' results on made-up captions and answers, see `tests/goldens`.

mod answer;
mod caption;
mod golden;
mod token;
