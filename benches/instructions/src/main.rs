//! The passes whose instructions `scripts/instructions` counts.
//!
//! Each pass runs three times, and the third run is inside [`counted`]. The first one allocates the memory, and the second
//! one packs weights that have not changed. So set-up is not counted. Run alone, the program prints the names of the cases.

#[path = "../../workload/mod.rs"]
mod workload;

use std::hint::black_box;

use elman::Scalar;
use workload::passes::{Forward, Reads, Step, Train};
use workload::{SIZES, Size, size};

/// Short enough for callgrind, which takes about 0.2 µs for each multiply-add. `long` has two blocks of steps.
fn sizes() -> [Size; 6] {
    let [seed, small, charlm, _, _, stream, long] = SIZES;
    [seed, small, charlm.steps(2), stream, long.steps(600), WINDOW]
}

/// A window over a live stream.
const WINDOW: Size = size("window", 20, 1, [16, 64, 4]);

fn main() {
    println!("{}", elman::instruction_set());
    passes::<f32>();
    passes::<f64>();
}

fn passes<A: Scalar>() {
    for size in sizes() {
        let mut forward = Forward::<A>::new(size, Reads::Vectors(size.x()));
        count::<A>("forward", size, &mut || forward.run());
        let mut train = Train::<A>::new(size, Reads::Vectors(size.x()));
        count::<A>("train", size, &mut || train.run());
    }
    let [.., stream, _] = SIZES;
    for size in [stream, WINDOW.one_step()] {
        let mut step = Step::<A>::new(size);
        count::<A>("step", size, &mut || step.run());
    }
}

fn count<A: Scalar>(name: &str, size: Size, pass: &mut dyn FnMut()) {
    pass();
    pass();
    counted(pass);
    println!("{name}/{}/{size}", std::any::type_name::<A>());
}

/// `scripts/instructions` finds this function by its name.
#[inline(never)]
fn counted(pass: &mut dyn FnMut()) {
    pass();
    // The call before is then not the function's last instruction, so it is a call and not a jump.
    black_box(());
}
