//! Compares with `torch.nn.RNN` and a `Linear` head, with gradients by autograd, from `fixtures/torch_rnn.py`. These
//! numbers use no formula of this crate.

use approx::assert_relative_eq;
use elman::loss::{self, Reduction};
use elman::{Parameters, Upstream, sequence};
use ndarray::{Array1, Array2, Array3, Ix1, Ix2, Ix3};

use crate::support::fixture::Fixture;

/// A plain port that sums in a different order than torch stays within 3e-15 of it. The rest of 1e-13 is margin for a
/// `tanh` and an `exp` with errors of a few units in the last place, over 11 steps.
const TOLERANCE: f64 = 1e-13;

struct Case {
    fixture: Fixture,
    parameters: Parameters<f64>,
    cache: sequence::Cache<f64>,
    labels: Array2<usize>,
}

/// The network and its forward pass. Torch's two hidden biases are one here, their sum.
fn case() -> Case {
    let fixture = Fixture::read("torch_rnn.json");
    let matrix = |pointer| fixture.array::<f64, Ix2>(pointer);
    let vector = |pointer| fixture.array::<f64, Ix1>(pointer);
    let ba: Array1<f64> = vector("/bias_ih") + vector("/bias_hh");
    let parameters =
        Parameters::from_arrays(&matrix("/wax"), &matrix("/waa"), &matrix("/wya"), &ba, &vector("/by")).unwrap();
    let x: Array3<f64> = fixture.array("/x");
    let cache = sequence::forward(&parameters, &x, &matrix("/a0")).unwrap();
    let labels = fixture.array("/labels");
    Case { fixture, parameters, cache, labels }
}

impl Case {
    /// Asserts that `loss` and all gradients from it equal those at `pointer`.
    #[track_caller]
    fn assert_loss(&self, pointer: &str, loss: &loss::Loss<f64>) {
        let expected = self.fixture.get(&format!("{pointer}/loss"));
        assert_relative_eq!(loss.value, expected, max_relative = TOLERANCE);
        self.assert_gradients(pointer, Upstream::logits(&loss.dlogits));
    }

    #[track_caller]
    fn assert_gradients(&self, pointer: &str, upstream: Upstream<'_, f64, Ix3>) {
        let back = sequence::backward(&self.parameters, &self.cache, upstream).unwrap();
        self.fixture.assert_gradients(pointer, &back, TOLERANCE);
    }
}

#[test]
fn the_forward_pass_agrees_with_torch() {
    let Case { fixture, cache, .. } = case();
    fixture.assert_close("/hidden", &cache.hidden(), TOLERANCE);
    fixture.assert_close("/logits", &cache.logits(), TOLERANCE);
    fixture.assert_close("/output", &cache.output(), TOLERANCE);
}

#[test]
fn cross_entropy_agrees_with_torch_for_both_reductions() {
    let case = case();
    for (pointer, reduction) in [("/sum", Reduction::Sum), ("/mean", Reduction::Mean)] {
        let loss = loss::cross_entropy(&case.cache, &case.labels, reduction).unwrap();
        case.assert_loss(pointer, &loss);
    }
}

#[test]
fn an_ignored_label_counts_neither_in_the_sum_nor_in_the_mean() {
    let mut case = case();
    let ignored: usize = case.fixture.get("/ignored_label");
    let counted = case.labels.iter().filter(|&&label| label != ignored).count();
    assert!(0 < counted && counted < case.labels.len(), "some labels count and some do not");
    case.labels.mapv_inplace(|label| if label == ignored { loss::IGNORE } else { label });
    for (pointer, reduction) in [("/sum_ignoring", Reduction::Sum), ("/mean_ignoring", Reduction::Mean)] {
        let loss = loss::cross_entropy(&case.cache, &case.labels, reduction).unwrap();
        assert_eq!(loss.count, counted);
        case.assert_loss(pointer, &loss);
    }
}

#[test]
fn gradients_of_hidden_states_probabilities_and_last_state_add_up_as_in_torch() {
    let case = case();
    let cube = |pointer| -> Array3<f64> { case.fixture.array(pointer) };
    let (da, dy) = (cube("/upstream/da"), cube("/upstream/dy"));
    let da_last: Array2<f64> = case.fixture.array("/upstream/da_last");
    let upstream = Upstream::hidden(&da).with_output(&dy).with_last_hidden(&da_last);
    case.assert_gradients("/upstream", upstream);
}
