//! Golden files: tensors that a reference computed.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

/// A golden `.safetensors` file: f32 and i64 tensors by name, and string metadata such as the versions it was made
/// with.
///
/// Goldens lie in the source tree, so whatever is wrong with one is a bug of the test: every method panics, with the
/// file and the names that it does have.
pub struct Golden {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Golden {
    /// Reads a golden file.
    ///
    /// # Panics
    ///
    /// If it cannot be read or is not safetensors.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_path_buf();
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let Err(error) = SafeTensors::deserialize(&bytes) {
            panic!("{}: {error}", path.display());
        }
        Self { path, bytes }
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let file = self.file();
        let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.file().tensor(name).is_ok()
    }

    /// The shape of a tensor.
    ///
    /// # Panics
    ///
    /// If there is no such tensor.
    #[track_caller]
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.tensor(name).shape().to_vec()
    }

    /// The values of an f32 tensor, row-major.
    ///
    /// # Panics
    ///
    /// If there is no such tensor or it has another type.
    #[track_caller]
    pub fn f32(&self, name: &str) -> Vec<f32> {
        let bytes = self.typed(name, Dtype::F32);
        let (values, _) = bytes.as_chunks::<4>();
        values.iter().map(|&value| f32::from_le_bytes(value)).collect()
    }

    /// The values of an i64 tensor, row-major.
    ///
    /// # Panics
    ///
    /// If there is no such tensor or it has another type.
    #[track_caller]
    pub fn i64(&self, name: &str) -> Vec<i64> {
        let bytes = self.typed(name, Dtype::I64);
        let (values, _) = bytes.as_chunks::<8>();
        values.iter().map(|&value| i64::from_le_bytes(value)).collect()
    }

    /// The values of an i64 tensor as token ids.
    ///
    /// # Panics
    ///
    /// If there is no such tensor, it has another type, or a value is no id.
    #[track_caller]
    pub fn ids(&self, name: &str) -> Vec<u32> {
        let id = |value| u32::try_from(value).unwrap_or_else(|_| panic!("{name}: {value} is no token id"));
        self.i64(name).into_iter().map(id).collect()
    }

    /// A metadata string.
    ///
    /// # Panics
    ///
    /// If there is none of this key.
    #[track_caller]
    pub fn metadata(&self, key: &str) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).expect("open has read it");
        let found = header.metadata().as_ref().and_then(|map| map.get(key).cloned());
        found.unwrap_or_else(|| panic!("{}: no metadata {key:?}", self.path.display()))
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("open has read it")
    }

    #[track_caller]
    fn tensor(&self, name: &str) -> safetensors::tensor::TensorView<'_> {
        self.file().tensor(name).unwrap_or_else(|_| {
            panic!(
                "{}: no tensor {name:?}; there are {:?}",
                self.path.display(),
                self.names()
            )
        })
    }

    #[track_caller]
    fn typed(&self, name: &str, dtype: Dtype) -> &[u8] {
        let tensor = self.tensor(name);
        assert_eq!(
            tensor.dtype(),
            dtype,
            "{}: {name} is of another type",
            self.path.display()
        );
        tensor.data()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::tensor::TensorView;

    use super::*;

    fn golden() -> Golden {
        let floats: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let ids: Vec<u8> = [101_i64, 102].iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors = [
            ("x", TensorView::new(Dtype::F32, vec![2, 1], &floats).unwrap()),
            ("ids", TensorView::new(Dtype::I64, vec![2], &ids).unwrap()),
        ];
        let metadata = HashMap::from([("torch".to_owned(), "2.14".to_owned())]);
        let bytes = safetensors::serialize(tensors, Some(metadata)).unwrap();
        Golden {
            path: "made-here.safetensors".into(),
            bytes,
        }
    }

    #[test]
    fn tensors_and_metadata_are_read() {
        let golden = golden();
        assert_eq!(golden.names(), ["ids", "x"]);
        assert_eq!(golden.f32("x"), [1.5, -2.0]);
        assert_eq!(golden.shape("x"), [2, 1]);
        assert_eq!(golden.ids("ids"), [101, 102]);
        assert_eq!(golden.metadata("torch"), "2.14");
        assert!(golden.contains("x") && !golden.contains("y"));
    }

    #[test]
    #[should_panic(expected = r#"made-here.safetensors: no tensor "y"; there are ["ids", "x"]"#)]
    fn a_missing_tensor_is_named() {
        golden().f32("y");
    }

    #[test]
    #[should_panic(expected = "ids is of another type")]
    fn a_wrong_type_is_named() {
        golden().f32("ids");
    }
}
