//! The claim of BLIP's paper in miniature: what captioning (C) and filtering (F) bring when the web's texts are noisy.
//!
//! ```text
//! cargo run --release --example capfilt_study -- --out study
//! ```
//!
//! ```text
//! noisy scenes ─▶ pre-training ─┬─ on a few clean scenes ─▶ captioner ─┐
//!                               └─ on a few clean scenes ─▶ filter ────┴─▶ texts: -, F, C, CF ─▶ pre-training anew ─▶ held-out
//! ```
//!
//! Source: Li et al. 2022, section 3.3 and table 1.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use blip_core::weights::{Checkpoint, DType, load_module, save_module};
use blip_core::{
    BertTokenizer, Blip, BlipConfig, BlipModel, CaptionOptions, Device, HiddenStates, Layout, LoadOptions,
    Part, Reference, RetrievalMetrics, Tokenizer, device,
};
use blip_demo::{DemoModel, Judgement, Scene, Split, seeded};
use blip_examples::demo::{IMAGE_SIZE, SceneReader, demo_config, widened};
use blip_examples::{exit, progress};
use blip_train::{
    AlphaRamp, BatchSource, CapFilt, CapFiltOptions, ImageTextBatch, Moment, Objective, Pretraining,
    PretrainingOptions, Regularization, Run, RunOptions, Schedule, TextSource, Trainee,
};
use clap::Parser;
use rand::{Rng, RngExt};
use serde_json::json;

/// Corrupts captions of scenes, runs CapFilt over them, trains on what each of its halves leaves, and tells what that
/// brings on held-out scenes: the mean over the runs, and their standard deviation.
///
/// All runs begin with the image encoder of the demonstration model, which stays as it is, and with text networks from
/// seeds, as BLIP begins with an image encoder that knows ImageNet. A run that was stopped goes on.
#[derive(Parser)]
#[command(name = "capfilt_study")]
struct Cli {
    /// Folder of everything that is made.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// Runs, each from its own seed.
    #[arg(long, default_value_t = 3, value_parser = blip_examples::count)]
    runs: usize,

    /// The first run's seed; the others' count on from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Scenes with noisy captions.
    #[arg(long, default_value_t = 3000, value_parser = blip_examples::count)]
    scenes: usize,

    /// Scenes with clean captions, for the captioner and the filter.
    #[arg(long, default_value_t = 300, value_parser = blip_examples::count)]
    clean: usize,

    /// How many of the noisy captions are another scene's, 0 to 1.
    #[arg(long, default_value_t = 0.4, value_parser = blip_examples::probability)]
    corrupted: f32,

    /// Steps of each pre-training.
    #[arg(long, default_value_t = 700, value_parser = blip_examples::count)]
    steps: usize,

    /// Steps of the captioner's and the filter's fine-tuning.
    #[arg(long, default_value_t = 200, value_parser = blip_examples::count)]
    fine_tuning: usize,

    /// Held-out scenes to be measured on.
    #[arg(long, default_value_t = 400, value_parser = blip_examples::count)]
    held_out: usize,

    /// Where the networks run: flex (the CPU), wgpu, vulkan or metal (features of the same names).
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Pairs at a time.
const BATCH: usize = 32;

/// Features that the contrastive loss remembers.
const QUEUE: usize = 1024;

const PARTS: &[Part] = &[
    Part::VisualEncoder,
    Part::TextEncoder,
    Part::TextDecoder,
    Part::Projections,
    Part::ItmHead,
];

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    fs::create_dir_all(&cli.out)?;
    let model = DemoModel::built_in();
    let device = device(&cli.device)?;
    let captioner = model.captioner(&LoadOptions::new(device.clone()))?;
    let tokenizer = BertTokenizer::from_vocab_txt(model.vocabulary())?;
    let study = Study {
        cli,
        config: demo_config(&tokenizer),
        image_encoder: captioner.image_encoder().as_ref().clone(),
        tokenizer: Arc::new(tokenizer.clone()),
        reader: SceneReader::new(tokenizer).map_err(|error| error.to_string())?,
        device,
    };
    let mut results: Vec<Vec<[f64; 3]>> = vec![Vec::new(); VARIANTS.len()];
    for seed in (cli.seed..).take(cli.runs) {
        for (of_variant, result) in results.iter_mut().zip(study.run(seed)?) {
            of_variant.push(result);
        }
    }
    println!("| C | F | caption facts right | R@1, picture to text | R@1, text to picture |");
    println!("|---|---|--:|--:|--:|");
    for (variant, of_variant) in VARIANTS.iter().zip(&results) {
        let tick = |yes: bool| if yes { "yes" } else { "" };
        let cells = [0, 1, 2].map(|column| {
            let values: Vec<f64> = of_variant.iter().map(|result| result[column]).collect();
            let [mean, deviation] = mean_and_deviation(&values);
            format!("{mean:.1} ± {deviation:.1} %")
        });
        println!(
            "| {} | {} | {} |",
            tick(variant.captions),
            tick(variant.filtered),
            cells.join(" | ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Which texts a model is trained on.
struct Variant {
    name: &'static str,
    captions: bool,
    filtered: bool,
}

/// As in the paper's table 1.
const VARIANTS: [Variant; 4] = [
    Variant {
        name: "noisy",
        captions: false,
        filtered: false,
    },
    Variant {
        name: "f",
        captions: false,
        filtered: true,
    },
    Variant {
        name: "c",
        captions: true,
        filtered: false,
    },
    Variant {
        name: "cf",
        captions: true,
        filtered: true,
    },
];

/// A scene, by its number, and a text for it.
#[derive(Clone)]
struct Pair {
    id: usize,
    scene: Scene,
    caption: String,
}

struct Study<'a> {
    cli: &'a Cli,
    config: BlipConfig,
    image_encoder: blip_core::VisionTransformer,
    tokenizer: Arc<BertTokenizer>,
    reader: SceneReader,
    device: Device,
}

impl Study<'_> {
    /// All variants with one seed: percent of captions right, and R@1 both ways.
    fn run(&self, seed: u64) -> Result<Vec<[f64; 3]>, Box<dyn Error>> {
        let folder = self.cli.out.join(format!("run-{seed}"));
        fs::create_dir_all(&folder)?;
        let noisy = self.noisy(seed);
        let clean = self.pairs(seed.wrapping_mul(1 << 40) + (1 << 32), self.cli.clean);
        let start = self.start(seed)?;
        let first = self.trained(&folder, "noisy", start.clone(), &noisy, self.cli.steps, seed)?;
        // One fine-tuning serves both: the captioner is its decoder, the filter its encoder.
        let tuned = self.trained(
            &folder,
            "tuned",
            first.clone(),
            &clean,
            self.cli.fine_tuning,
            seed,
        )?;
        let judged = self.judged(&folder, &tuned, &noisy, seed)?;
        VARIANTS
            .iter()
            .map(|variant| {
                let model = match variant.name {
                    "noisy" => first.clone(),
                    name => {
                        let kept: Vec<Pair> = judged
                            .iter()
                            .filter(|text| variant.captions || text.source == TextSource::Web)
                            .filter(|text| !variant.filtered || text.kept)
                            .map(|text| Pair {
                                caption: text.caption.clone(),
                                ..noisy[text.scene].clone()
                            })
                            .collect();
                        self.trained(&folder, name, start.clone(), &kept, self.cli.steps, seed)?
                    }
                };
                self.measured(&folder, variant.name, &model)
            })
            .collect()
    }

    /// Training scenes with a caption each.
    fn pairs(&self, from: u64, count: usize) -> Vec<Pair> {
        (from..)
            .take(count)
            .enumerate()
            .map(|(id, seed)| {
                let scene = Scene::sample(seed, Split::Train);
                let caption = self.reader.caption(&scene, &mut seeded(seed));
                let caption = caption.unwrap_or_else(|_| scene.full_caption());
                Pair { id, scene, caption }
            })
            .collect()
    }

    /// The same, of which some have another scene's caption.
    fn noisy(&self, seed: u64) -> Vec<Pair> {
        let mut pairs = self.pairs(seed.wrapping_mul(1 << 40), self.cli.scenes);
        let mut rng = seeded(seed);
        let captions: Vec<String> = pairs.iter().map(|pair| pair.caption.clone()).collect();
        for pair in &mut pairs {
            if rng.random_bool(f64::from(self.cli.corrupted)) {
                pair.caption = captions[rng.next_u32() as usize % captions.len()].clone();
            }
        }
        pairs
    }

    /// Text networks from a seed over the trained image encoder.
    fn start(&self, seed: u64) -> Result<BlipModel, Box<dyn Error>> {
        let mut model = widened(BlipModel::from_seed(&self.config, PARTS, seed, &self.device)?);
        model.visual_encoder = self.image_encoder.clone();
        Ok(model)
    }

    /// Pre-trains on texts, unless that was done before.
    fn trained(
        &self,
        folder: &Path,
        name: &str,
        model: BlipModel,
        pairs: &[Pair],
        steps: usize,
        seed: u64,
    ) -> Result<BlipModel, Box<dyn Error>> {
        let path = folder.join(format!("{name}.safetensors"));
        let keys = BlipModel::keys(Layout::Salesforce, PARTS);
        if path.exists() {
            return Ok(load_module(&Checkpoint::open(&path)?, model, &keys, &self.device)?.0);
        }
        if pairs.is_empty() {
            return Err(format!(
                "{}: the filter kept no text to train on; more steps make it better",
                path.display()
            )
            .into());
        }
        let trainee = Trainee::new(model, &Regularization::NONE, &self.device)?
            .with_frozen_image_encoder()
            .with_contrast(0.07, QUEUE, seed)?;
        let options = PretrainingOptions {
            alpha: AlphaRamp::Constant(0.4),
            special: self.tokenizer.special_tokens(),
            ..PretrainingOptions::default()
        };
        let schedule = Schedule::WarmupCosine {
            init_lr: 1e-3,
            min_lr: 1e-5,
            warmup_steps: steps / 20,
            max_steps: steps,
        };
        let mut run_options = RunOptions::new(1, schedule);
        run_options.seed = seed;
        run_options.folder = Some(folder.join(name));
        run_options.optimizer.max_grad_norm = Some(1.0);
        let mut run = Run::new(Pretraining::new(trainee, options)?, run_options)?;
        let bar = progress(name, steps);
        let source = Drawn {
            reader: &self.reader,
            pairs,
            steps,
        };
        run.train(&source, |report| {
            bar.tell(report);
            true
        })?;
        bar.finish();
        let model = run.into_objective().trainee().finished();
        save_module(&model, &keys, DType::F32, &path)?;
        fs::remove_dir_all(folder.join(name))?;
        Ok(model)
    }

    fn blip(&self, model: &BlipModel) -> Result<Blip, Box<dyn Error>> {
        Ok(Blip::from_model(
            model.clone(),
            [IMAGE_SIZE; 2],
            self.tokenizer.clone(),
            self.reader.processor().clone(),
            Reference::Salesforce.text_policy(),
        )?)
    }

    /// What the captioner and the filter make of the noisy scenes.
    fn judged(
        &self,
        folder: &Path,
        tuned: &BlipModel,
        noisy: &[Pair],
        seed: u64,
    ) -> Result<Vec<Judged>, Box<dyn Error>> {
        let blip = self.blip(tuned)?;
        let (captioner, filter) = (blip.captioner()?, blip.matcher()?);
        let capfilt = CapFilt::new(&captioner, &filter);
        let options = CapFiltOptions {
            seed,
            ..CapFiltOptions::default()
        };
        let mut judged = Vec::new();
        for (scene, pair) in noisy.iter().enumerate() {
            let picture = pair.scene.render(IMAGE_SIZE)?;
            let texts = capfilt.judge(&picture, &[&pair.caption], &options, scene)?;
            judged.extend(texts.into_iter().map(|text| Judged {
                scene,
                caption: text.caption,
                source: text.source,
                kept: text.kept,
            }));
        }
        // How good the filter and the captioner are: known here, as it never is of the web.
        let share = |source: TextSource, kept: bool| {
            let of = judged
                .iter()
                .filter(|text| text.source == source && (text.kept || !kept));
            let truths: Vec<bool> = of
                .map(|text| Judgement::of(&text.caption, &noisy[text.scene].scene).is_true())
                .collect();
            let right = truths.iter().filter(|truth| **truth).count();
            json!({"texts": truths.len(), "right": right})
        };
        let report = json!({
            "web": share(TextSource::Web, false),
            "web_kept": share(TextSource::Web, true),
            "synthetic": share(TextSource::Synthetic, false),
            "synthetic_kept": share(TextSource::Synthetic, true),
        });
        fs::write(folder.join("capfilt.json"), report.to_string())?;
        eprintln!("capfilt {report}");
        Ok(judged)
    }

    /// Percent of held-out captions right, and R@1 both ways, the nearest 16 ranked again.
    fn measured(&self, folder: &Path, name: &str, model: &BlipModel) -> Result<[f64; 3], Box<dyn Error>> {
        let blip = self.blip(model)?;
        let (captioner, matcher) = (blip.captioner()?, blip.matcher()?);
        let mut seen = std::collections::HashSet::new();
        let scenes: Vec<Scene> = (0..)
            .map(|seed| Scene::sample(seed, Split::HeldOut))
            .filter(|scene| seen.insert(scene.facts()))
            .take(self.cli.held_out)
            .collect();
        let (mut right, mut encoded) = (0, Vec::<HiddenStates>::new());
        for scene in &scenes {
            let states =
                captioner.encode(&self.reader.pixels([scene]).map_err(|error| error.to_string())?)?;
            let captions = captioner.caption_encoded(&states, &CaptionOptions::default())?;
            right += usize::from(Judgement::of(&captions[0][0].text, scene).is_true());
            encoded.push(states);
        }
        let texts: Vec<String> = scenes.iter().map(Scene::full_caption).collect();
        let own: Vec<usize> = (0..texts.len()).collect();
        let states = |picture: usize| Ok(encoded[picture].clone());
        let scores = matcher.retrieval_scores_encoded(scenes.len(), states, &texts, 16)?;
        let metrics = RetrievalMetrics::new(&scores, &own)?;
        let facts = 100.0 * right as f64 / scenes.len() as f64;
        let result = [facts, metrics.txt_r1, metrics.img_r1];
        eprintln!("{} {name}: {result:.1?}", folder.display());
        Ok(result)
    }
}

/// A text of a scene, by its number.
struct Judged {
    scene: usize,
    caption: String,
    source: TextSource,
    kept: bool,
}

/// Pairs drawn by lot.
struct Drawn<'a> {
    reader: &'a SceneReader,
    pairs: &'a [Pair],
    steps: usize,
}

impl BatchSource for Drawn<'_> {
    type Batch = ImageTextBatch;

    fn steps_per_epoch(&self) -> usize {
        self.steps
    }

    fn batch(&self, moment: &Moment) -> Result<ImageTextBatch, Box<dyn Error + Send + Sync>> {
        let mut rng = moment.rng(0);
        let drawn: Vec<usize> = (0..BATCH)
            .map(|_| rng.next_u32() as usize % self.pairs.len())
            .collect();
        Ok(ImageTextBatch {
            pixel_values: self
                .reader
                .pixels(drawn.iter().map(|&pair| &self.pairs[pair].scene))?,
            texts: self
                .reader
                .tokens(drawn.iter().map(|&pair| &self.pairs[pair].caption))?,
            image_ids: drawn.iter().map(|&pair| self.pairs[pair].id as i64).collect(),
            statements: None,
        })
    }
}

fn mean_and_deviation(values: &[f64]) -> [f64; 2] {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    [mean, (squares / (count - 1.0).max(1.0)).sqrt()]
}
