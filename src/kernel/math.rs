use super::Lanes;
use pulp::Simd;
#[inline(always)]
fn each<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>, f: impl Fn(A) -> A) -> A::Vector<S> {
    let mut all = [A::zero(); 16];
    let lanes = A::lanes::<S>();
    A::store(simd, &mut all[..lanes], x);
    for v in &mut all {
        *v = f(*v);
    }
    A::load(simd, &all[..lanes])
}
#[inline(always)]
pub(super) fn tanh<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>) -> A::Vector<S> {
    each::<S, A>(simd, x, |v| v.tanh())
}
#[inline(always)]
pub(super) fn exp<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>) -> A::Vector<S> {
    each::<S, A>(simd, x, |v| v.exp())
}
