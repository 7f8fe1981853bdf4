//! Temporary.
use blip_demo::*;
use std::time::Instant;
fn main() {
    for split in Split::ALL {
        let t = Instant::now();
        let scenes: Vec<Scene> = (0..5000).map(|s| Scene::sample(s, split)).collect();
        let sample = t.elapsed() / 5000;
        let mut times: Vec<_> = scenes
            .iter()
            .map(|s| {
                let t = Instant::now();
                std::hint::black_box(s.render(80).unwrap());
                t.elapsed()
            })
            .collect();
        times.sort();
        let mean: std::time::Duration = times.iter().sum::<std::time::Duration>() / 5000;
        let t = Instant::now();
        for (i, s) in scenes.iter().enumerate() {
            let mut r = seeded(i as u64);
            std::hint::black_box((s.caption(&mut r), s.questions(&mut r), s.statement(&mut r, false)));
        }
        let text = t.elapsed() / 5000;
        let t = Instant::now();
        for i in 0..2000 {
            let [a, b] = sample_pair(i, split);
            std::hint::black_box(pair_statement(&a, &b, &mut seeded(i), i % 2 == 0));
        }
        println!(
            "{split:?}: sample {sample:?} render mean {mean:?} median {:?} p99 {:?}; texts {text:?}; pair {:?}",
            times[2500],
            times[4950],
            t.elapsed() / 2000
        );
    }
    // Statistics of words by truth.
    for split in [Split::Train] {
        let mut c = std::collections::BTreeMap::<String, [usize; 2]>::new();
        for seed in 0..20000 {
            let s = Scene::sample(seed, split);
            let mut r = seeded(seed);
            let t = seed % 2 == 0;
            for w in s.statement(&mut r, t).text.split_whitespace() {
                c.entry(w.to_owned()).or_default()[t as usize] += 1;
            }
        }
        println!("{c:?}");
        let mut c = std::collections::BTreeMap::<String, [usize; 2]>::new();
        for seed in 0..20000 {
            let [a, b] = sample_pair(seed, split);
            let mut r = seeded(seed);
            let t = seed % 2 == 0;
            for w in pair_statement(&a, &b, &mut r, t).text.split_whitespace() {
                c.entry(w.to_owned()).or_default()[t as usize] += 1;
            }
        }
        println!("{c:?}");
        let mut c = std::collections::BTreeMap::<String, [usize; 2]>::new();
        for seed in 0..20000 {
            let s = Scene::sample(seed, split);
            let mut r = seeded(seed);
            if let Some(q) = s.question(QuestionKind::Exists, &mut r) {
                for w in q.text.split_whitespace() {
                    c.entry(w.to_owned()).or_default()[(q.answer == "yes") as usize] += 1;
                }
            }
        }
        println!("{c:?}");
        let mut facts = std::collections::HashSet::new();
        for seed in 0..20000 {
            facts.insert(Scene::sample(seed, split).facts());
        }
        println!("distinct facts of 20000: {}", facts.len());
        let held: std::collections::HashSet<Facts> = (0..5000)
            .map(|s| Scene::sample(s, Split::HeldOut).facts())
            .collect();
        println!("distinct held-out facts of 5000: {}", held.len());
    }
}
