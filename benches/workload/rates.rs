//! Rates of the benchmarks, in steps and in floating-point operations.

#![allow(dead_code, reason = "each benchmark is its own program and uses only a part of this module")]

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, Throughput};
use elman::Scalar;

use crate::workload::Size;

impl Size {
    /// The work of one forward pass.
    pub(crate) fn forward(self) -> Throughput {
        self.passes(1)
    }

    /// The work of forward and backward. Each matrix takes part in one product in the forward pass and in two in the
    /// backward pass: for the gradient of the input and for its own gradient.
    pub(crate) fn train(self) -> Throughput {
        self.passes(3)
    }

    /// The work of the backward pass alone.
    pub(crate) fn backward(self) -> Throughput {
        self.passes(2)
    }

    /// Counts steps as elements, and floating-point operations as bytes: [`Rates`] prints both. A multiply-add counts
    /// as two operations.
    fn passes(self, passes: usize) -> Throughput {
        let operations = 2 * passes * self.multiply_adds();
        Throughput::ElementsAndBytes { elements: (self.t_x * self.m) as u64, bytes: operations as u64 }
    }
}

/// Wall-clock time, with throughput in steps (of one column) and in GFLOP/s, a unit that criterion does not have.
#[derive(Debug)]
pub(crate) struct Rates;

/// Long enough for stable medians at every size. `large` takes longer because of its number of samples.
pub(crate) fn criterion() -> Criterion<Rates> {
    Criterion::default()
        .with_measurement(Rates)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

/// The group `name/f32` or `name/f64`.
pub(crate) fn group<'c, A: Scalar>(c: &'c mut Criterion<Rates>, name: &str) -> BenchmarkGroup<'c, Rates> {
    c.benchmark_group(format!("{name}/{}", std::any::type_name::<A>()))
}

impl Measurement for Rates {
    type Intermediate = <WallTime as Measurement>::Intermediate;
    type Value = <WallTime as Measurement>::Value;

    fn start(&self) -> Self::Intermediate {
        WallTime.start()
    }
    fn end(&self, start: Self::Intermediate) -> Self::Value {
        WallTime.end(start)
    }
    fn add(&self, a: &Self::Value, b: &Self::Value) -> Self::Value {
        WallTime.add(a, b)
    }
    fn zero(&self) -> Self::Value {
        WallTime.zero()
    }
    fn to_f64(&self, value: &Self::Value) -> f64 {
        WallTime.to_f64(value)
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

/// Values are in nanoseconds.
impl ValueFormatter for Rates {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of operations that a benchmark finishes is far below 2⁵³")]
    fn scale_throughputs(&self, typical: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        let (count, per_nanosecond, unit) = match *throughput {
            Throughput::Bytes(operations) => (operations, 1.0, "GFLOP/s"),
            Throughput::Elements(steps) | Throughput::ElementsAndBytes { elements: steps, .. } => {
                (steps, 1e3, "Mstep/s")
            }
            _ => return WallTime.formatter().scale_throughputs(typical, throughput, values),
        };
        for value in values {
            *value = count as f64 / *value * per_nanosecond;
        }
        unit
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}
