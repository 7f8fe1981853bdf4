//! Measures the demonstration model on scenes that it has never seen.
//!
//! ```text
//! cargo run --release --example evaluate_demo
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use blip_core::{
    AnswerOptions, CaptionOptions, HiddenStates, LoadOptions, MatchOptions, PixelValues, Precisions,
    RetrievalMetrics, RetrievalScores, device,
};
use blip_demo::{DemoModel, Judgement, QuestionKind, Scene, Split, pair_statement, sample_pair, seeded};
use blip_examples::demo::IMAGE_SIZE;
use blip_examples::exit;
use clap::Parser;
use rand::RngExt;

/// Measures the demonstration model on scenes that training left out: held-out combinations of what training shows
/// (held out), and kinds of objects that no training scene has (new kinds). The table is Markdown.
#[derive(Parser)]
#[command(name = "evaluate_demo")]
struct Cli {
    /// A folder that train_demo exported. Left out: the weights in the crate.
    #[arg(long, value_name = "FOLDER")]
    weights: Option<PathBuf>,

    /// Scenes of each split.
    #[arg(long, default_value_t = 1000, value_parser = blip_examples::count)]
    scenes: usize,

    /// Where the scenes come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Side at which scenes are rendered, in pixels; the model's is 96.
    #[arg(long, default_value_t = IMAGE_SIZE, value_parser = blip_examples::count)]
    side: usize,

    /// Pictures and texts that are ranked again.
    #[arg(long, default_value_t = 16, value_parser = blip_examples::count)]
    rerank: usize,

    /// Tell what is wrong, on standard error: captions, answers, what a search finds first, and what is taken for true.
    #[arg(long)]
    wrong: bool,

    /// How the CPU holds weights: f32, bf16 or int8, or some parts by name, such as image-encoder=int8,text-decoder=bf16.
    /// With another than f32, captions are compared with those of f32 too.
    #[arg(long, default_value_t)]
    precision: Precisions,

    /// Where the networks run: flex (the CPU), wgpu, vulkan or metal (features of the same names).
    #[arg(long, default_value = "flex")]
    device: String,
}

/// The splits that training never sees, as the table heads them.
const SPLITS: [(Split, &str); 2] = [(Split::HeldOut, "held out"), (Split::NewKind, "new kinds")];

/// Scenes at a time.
const BATCH: usize = 25;

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let model = match &cli.weights {
        Some(folder) => DemoModel::read(folder)?,
        None => DemoModel::built_in(),
    };
    let mut options = LoadOptions::new(device(&cli.device)?);
    options.precision = cli.precision;
    let mut columns = Vec::new();
    for (split, name) in SPLITS {
        let exam = Exam {
            cli,
            model: &model,
            options: &options,
            split,
            scenes: scenes(split, cli.seed, cli.scenes),
        };
        let mut rows = Vec::new();
        rows.extend(exam.captions()?);
        rows.extend(exam.answers()?);
        rows.extend(exam.retrieval()?);
        rows.push(exam.matching()?);
        rows.push(exam.pairs()?);
        columns.push((name, rows));
    }
    let heads: Vec<&str> = columns.iter().map(|&(name, _)| name).collect();
    println!("| | {} |\n|---|{}", heads.join(" | "), "--:|".repeat(heads.len()));
    for row in 0..columns[0].1.len() {
        let cells: Vec<String> = columns.iter().map(|(_, rows)| rows[row].cell()).collect();
        println!("| {} | {} |", columns[0].1[row].name, cells.join(" | "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Scenes of which no two show the same.
fn scenes(split: Split, seed: u64, count: usize) -> Vec<Scene> {
    let mut seen = std::collections::HashSet::new();
    (0..)
        .map(|index| Scene::sample(nth(seed, index), split))
        .filter(|scene| seen.insert(scene.facts()))
        .take(count)
        .collect()
}

/// Scenes of which none is what another's full caption tells: "a red circle on a black background" is true of a scene with
/// a circle and a star too.
fn gallery(split: Split, seed: u64, count: usize) -> Vec<Scene> {
    let tells = |caption: &str, scene: &Scene| Judgement::of(caption, scene).is_true();
    let mut kept: Vec<(Scene, String)> = Vec::new();
    for scene in (0..).map(|index| Scene::sample(nth(seed, index), split)) {
        let caption = scene.full_caption();
        if !kept
            .iter()
            .any(|(other, of_other)| tells(&caption, other) || tells(of_other, &scene))
        {
            kept.push((scene, caption));
        }
        if kept.len() == count {
            break;
        }
    }
    kept.into_iter().map(|(scene, _)| scene).collect()
}

/// The seed of a scene.
fn nth(seed: u64, index: u64) -> u64 {
    seed.wrapping_mul(1 << 40).wrapping_add(index)
}

/// A line of the table.
struct Row {
    name: String,
    right: f64,
    of: usize,
}

impl Row {
    fn new(name: impl Into<String>, right: usize, of: usize) -> Self {
        let (name, right) = (name.into(), right as f64);
        Self { name, right, of }
    }

    fn cell(&self) -> String {
        match self.of {
            0 => "-".to_owned(),
            of => format!("{:.1} %", 100.0 * self.right / of as f64),
        }
    }
}

/// One split.
struct Exam<'a> {
    cli: &'a Cli,
    model: &'a DemoModel,
    options: &'a LoadOptions,
    split: Split,
    scenes: Vec<Scene>,
}

impl Exam<'_> {
    fn pixels<'s>(
        &self,
        processor: &blip_core::ImageProcessor,
        scenes: impl IntoIterator<Item = &'s Scene>,
    ) -> Result<PixelValues, Box<dyn Error>> {
        let pictures: Result<Vec<PixelValues>, Box<dyn Error>> = scenes
            .into_iter()
            .map(|scene| Ok(processor.preprocess(&scene.render(self.cli.side)?)?))
            .collect();
        Ok(PixelValues::concat(&pictures?)?)
    }

    fn tell(&self, scene: &Scene, said: &str) {
        if self.cli.wrong {
            eprintln!("{:?}: {} | {said}", self.split, scene.full_caption());
        }
    }

    /// With three beams, as captions are by default.
    fn captions(&self) -> Result<Vec<Row>, Box<dyn Error>> {
        let captioner = self.model.captioner(self.options)?;
        let exact = match self.cli.precision == Precisions::default() {
            true => None,
            false => Some(
                self.model
                    .captioner(&LoadOptions::new(device(&self.cli.device)?))?,
            ),
        };
        let (mut right, mut whole, mut same) = (0, 0, 0);
        for scenes in self.scenes.chunks(BATCH) {
            let pixel_values = self.pixels(captioner.processor(), scenes)?;
            let options = CaptionOptions::default();
            let captions = captioner.caption_batch(&pixel_values, &options)?;
            if let Some(exact) = &exact {
                let exact = exact.caption_batch(&pixel_values, &options)?;
                let pairs = captions.iter().zip(&exact);
                same += pairs
                    .filter(|(captions, exact)| captions[0].text == exact[0].text)
                    .count();
            }
            for (scene, captions) in scenes.iter().zip(captions) {
                let judgement = Judgement::of(&captions[0].text, scene);
                right += usize::from(judgement.is_true());
                whole += usize::from(judgement.is_true() && judgement.names_every_object());
                if !judgement.is_true() {
                    self.tell(scene, &captions[0].text);
                }
            }
        }
        let of = self.scenes.len();
        let mut rows = vec![
            Row::new("captions with every stated fact right", right, of),
            Row::new("... and every object named", whole, of),
        ];
        if exact.is_some() {
            rows.push(Row::new("... the same as with f32", same, of));
        }
        Ok(rows)
    }

    /// One question of each kind that a scene allows.
    fn answers(&self) -> Result<Vec<Row>, Box<dyn Error>> {
        let answerer = self.model.question_answerer(self.options)?;
        let mut counts = [[0; 2]; QuestionKind::ALL.len()];
        for (index, scene) in self.scenes.iter().enumerate() {
            let encoded = answerer.encode(&self.pixels(answerer.processor(), [scene])?)?;
            for question in scene.questions(&mut seeded(index as u64)) {
                // One by one: as in the references, questions that are asked together see each other's padding.
                let answers =
                    answerer.answer_encoded(&encoded, &[&question.text], &AnswerOptions::default())?;
                let answer = &answers[0][0].text;
                let kind = QuestionKind::ALL
                    .iter()
                    .position(|&kind| kind == question.kind)
                    .ok_or("a kind that is not among all")?;
                counts[kind][0] += usize::from(question.accepts(answer));
                counts[kind][1] += 1;
                if !question.accepts(answer) {
                    self.tell(
                        scene,
                        &format!("{} {answer}, not {}", question.text, question.answer),
                    );
                }
            }
        }
        let [right, of] = [0, 1].map(|column| counts.iter().map(|count| count[column]).sum());
        let mut rows = vec![Row::new("questions", right, of)];
        rows.extend(
            QuestionKind::ALL
                .iter()
                .zip(counts)
                .map(|(kind, [right, of])| Row::new(format!("... {}", words(kind)), right, of)),
        );
        Ok(rows)
    }

    /// Each scene's full caption is sought among all that are true of one scene only, and the other way round.
    fn retrieval(&self) -> Result<[Row; 4], Box<dyn Error>> {
        let matcher = self.model.matcher(self.options)?;
        let scenes = gallery(self.split, self.cli.seed, self.cli.scenes);
        let encoded: Result<Vec<HiddenStates>, Box<dyn Error>> = scenes
            .iter()
            .map(|scene| Ok(matcher.encode(&self.pixels(matcher.processor(), [scene])?)?))
            .collect();
        let encoded = encoded?;
        let texts: Vec<String> = scenes.iter().map(Scene::full_caption).collect();
        let own: Vec<usize> = (0..texts.len()).collect();
        let states = |picture: usize| Ok(encoded[picture].clone());
        let reranked = matcher.retrieval_scores_encoded(encoded.len(), states, &texts, self.cli.rerank)?;
        for (own, (of_picture, of_text)) in reranked
            .image_to_text
            .iter()
            .zip(&reranked.text_to_image)
            .enumerate()
        {
            for (scores, sought) in [(of_picture, "the text"), (of_text, "the picture")] {
                let found = highest(scores);
                if found != own {
                    self.tell(&scenes[own], &format!("{sought} found is {}", texts[found]));
                }
            }
        }

        let vectors = matcher.embed_texts(&texts)?;
        let similarities: Result<Vec<Vec<f32>>, Box<dyn Error>> = encoded
            .iter()
            .map(|encoded| Ok(matcher.embed_images(encoded)?.similarities(&vectors)?.remove(0)))
            .collect();
        let similarities = similarities?;
        let transposed: Vec<Vec<f32>> = (0..texts.len())
            .map(|text| similarities.iter().map(|of_picture| of_picture[text]).collect())
            .collect();
        let plain = RetrievalScores {
            image_to_text: similarities,
            text_to_image: transposed,
        };
        let [plain, reranked] = [
            RetrievalMetrics::new(&plain, &own)?,
            RetrievalMetrics::new(&reranked, &own)?,
        ];
        let count = scenes.len();
        let row = |name: String, percent: f64| Row {
            name,
            right: percent / 100.0 * count as f64,
            of: count,
        };
        let rerank = self.cli.rerank;
        Ok([
            row(
                format!("R@1, picture to text among {count}, by cosine"),
                plain.txt_r1,
            ),
            row(format!("... the nearest {rerank} ranked again"), reranked.txt_r1),
            row(
                format!("R@1, text to picture among {count}, by cosine"),
                plain.img_r1,
            ),
            row(format!("... the nearest {rerank} ranked again"), reranked.img_r1),
        ])
    }

    /// Two sentences about each scene: a true one, and one with a single fact changed.
    fn matching(&self) -> Result<Row, Box<dyn Error>> {
        let matcher = self.model.matcher(self.options)?;
        let mut right = 0;
        for (index, scene) in self.scenes.iter().enumerate() {
            let mut rng = seeded(index as u64);
            let encoded = matcher.encode(&self.pixels(matcher.processor(), [scene])?)?;
            for truth in [true, false] {
                let text = scene.statement(&mut rng, truth).text;
                let matches = matcher.match_encoded(&encoded, &[&text], &MatchOptions::default())?;
                let judged = matches[0][0].itm_probability > 0.5;
                right += usize::from(judged == truth);
                if judged != truth {
                    self.tell(scene, &format!("{text}: {judged}"));
                }
            }
        }
        let of = 2 * self.scenes.len();
        Ok(Row::new("matching: true, or one fact changed", right, of))
    }

    /// A sentence about each of as many pairs of scenes.
    fn pairs(&self) -> Result<Row, Box<dyn Error>> {
        let reasoner = self.model.pair_reasoner(self.options)?;
        let mut right = 0;
        for index in 0..self.cli.scenes as u64 {
            let seed = nth(self.cli.seed, index);
            let scenes = sample_pair(seed, self.split);
            let mut rng = seeded(seed);
            let truth = rng.random_bool(0.5);
            let statement = pair_statement(&scenes[0], &scenes[1], &mut rng, truth);
            let [first, second] = [0, 1].map(|scene| self.pixels(reasoner.processor(), [&scenes[scene]]));
            let verdicts = reasoner.reason(&first?, &second?, &[&statement.text])?;
            right += usize::from(verdicts[0].answer == truth);
        }
        Ok(Row::new("two pictures: true or false", right, self.cli.scenes))
    }
}

/// The place of the highest score.
fn highest(scores: &[f32]) -> usize {
    (0..scores.len())
        .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
        .unwrap_or_default()
}

/// A kind of question as the table names it.
fn words(kind: &QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Color => "what colour",
        QuestionKind::Shape => "what shape",
        QuestionKind::Count => "how many",
        QuestionKind::Exists => "is there",
        QuestionKind::Size => "what size",
        QuestionKind::RelatedTo => "what is left of, above, ...",
        QuestionKind::Relation => "is it left of, above, ...",
        QuestionKind::Place => "where",
        QuestionKind::Background => "what background",
        QuestionKind::Direction => "is it above, below, left or right",
    }
}
