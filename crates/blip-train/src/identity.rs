//! Parameters that are called alike in every process.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;

/// Gives every parameter an id that depends on its path alone, so that an optimizer's state finds it again.
pub(crate) fn named_by_path<M: Module>(module: M) -> M {
    module.map(&mut ByPath(Vec::new()))
}

/// A number for a name, the same on every machine: FNV-1a.
pub(crate) fn fnv(name: impl Iterator<Item = u8>) -> u64 {
    name.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

struct ByPath(Vec<String>);

impl ModuleMapper for ByPath {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.0.pop();
    }

    fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.0.iter().flat_map(|name| name.bytes().chain([b'.']));
        // Everything else of the parameter stays, its adapter too.
        param.id = ParamId::from(fnv(path));
        param
    }
}
