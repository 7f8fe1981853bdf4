//! AdamW as the original uses it, with clipping as an option.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

/// The settings of AdamW.
///
/// Source: salesforce/BLIP@056a169 `train_*.py`: `torch.optim.AdamW` with its defaults, and the same weight decay on
/// every parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimizerConfig {
    /// Of the first moment.
    pub beta_1: f32,
    /// Of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// What the learning rate times this takes off every parameter.
    pub weight_decay: f32,
    /// The greatest norm of all gradients together (`clip_grad_norm_`); the original does not clip.
    pub max_grad_norm: Option<f64>,
    /// Times the learning rate, for the projection of patches; 1 in the original, 0 leaves it as it is.
    ///
    /// A patch has `3 * patch_size²` inputs that are much alike, so that a step, which moves each weight by about the
    /// learning rate, moves a patch's vector by up to as many times that. Where patches are large the vectors soon dwarf
    /// the position embeddings, and the network no longer knows where things are. MoCo v3 (Chen et al. 2021, section 4.1)
    /// found the same projection the cause of unstable training, and froze it.
    pub patch_embedding_lr_scale: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.05,
            max_grad_norm: None,
            patch_embedding_lr_scale: 1.0,
        }
    }
}

impl OptimizerConfig {
    /// An optimizer that has seen nothing yet.
    pub fn init(&self) -> ModuleOptimizer {
        AdamWConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_weight_decay(self.weight_decay)
            .init()
    }
}

/// The gradients of the projection of patches alone; they are taken out of the others.
pub(crate) fn patch_embedding_gradients<M: Module>(
    module: &M,
    gradients: &mut GradientsParams,
) -> GradientsParams {
    let mut taken = Take {
        from: gradients,
        taken: GradientsParams::new(),
        path: Vec::new(),
    };
    module.visit(&mut taken);
    taken.taken
}

/// The norm of all gradients together, as one vector.
pub(crate) fn gradient_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut norm = Norm {
        gradients,
        seen: Default::default(),
        squares: Vec::new(),
    };
    module.visit(&mut norm);
    let squares = norm.squares.into_iter().reduce(|sum, square| sum + square);
    squares.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()).sqrt())
}

/// All gradients times a number.
pub(crate) fn scaled<M: Module>(module: &M, gradients: GradientsParams, scale: f64) -> GradientsParams {
    let mut scaled = Scale {
        gradients,
        scale,
        seen: Default::default(),
    };
    module.visit(&mut scaled);
    scaled.gradients
}

struct Take<'a> {
    from: &'a mut GradientsParams,
    taken: GradientsParams,
    path: Vec<String>,
}

impl ModuleVisitor for Take<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.path.iter().any(|name| name == "patch_embed") {
            return;
        }
        if let Some(gradient) = self.from.remove::<D>(param.id) {
            self.taken.register::<D>(param.id, gradient);
        }
    }
}

struct Norm<'a> {
    gradients: &'a GradientsParams,
    /// Shared parameters are met more than once.
    seen: std::collections::HashSet<ParamId>,
    squares: Vec<Tensor<1>>,
}

impl ModuleVisitor for Norm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.squares.push(gradient.powi_scalar(2).sum());
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    scale: f64,
    seen: std::collections::HashSet<ParamId>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register::<D>(param.id, gradient * self.scale);
        }
    }
}
