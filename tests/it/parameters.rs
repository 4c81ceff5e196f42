//! Parameters are one vector: a flat buffer with five views.

use elman::sequence::{self, Backward, Cache};
use elman::stack::{self, Architecture, Direction, Layer};
use elman::{Activation, Dims, Error, Parameters, Upstream};
use ndarray::{Array1, Array2, Array3, array};

const DIMS: Dims = Dims { n_x: 3, n_a: 5, n_y: 2 };

/// 0, 1, 2, … in the order of the buffer.
fn counted() -> Parameters<f64> {
    let mut p = Parameters::zeros(DIMS);
    for (value, count) in p.as_mut_slice().iter_mut().zip(0u16..) {
        *value = f64::from(count);
    }
    p
}

#[test]
fn the_buffer_holds_wax_waa_wya_ba_by_each_row_major() {
    let p = counted();
    assert_eq!(DIMS.len(), 15 + 25 + 10 + 5 + 2);
    assert_eq!(p.as_slice().len(), DIMS.len());
    assert_eq!((p.wax()[[0, 0]], p.wax()[[4, 2]]), (0.0, 14.0));
    assert_eq!((p.waa()[[0, 0]], p.waa()[[1, 0]], p.waa()[[4, 4]]), (15.0, 20.0, 39.0));
    assert_eq!((p.wya()[[0, 0]], p.wya()[[1, 4]]), (40.0, 49.0));
    assert_eq!((p.ba()[0], p.ba()[4]), (50.0, 54.0));
    assert_eq!(p.by(), array![55.0, 56.0]);
    assert_eq!(Parameters::from_arrays(&p.wax(), &p.waa(), &p.wya(), &p.ba(), &p.by()), Ok(p));
}

#[test]
fn arrays_of_any_layout_become_the_same_parameters() {
    let p = counted();
    let turned = |matrix: Array2<f64>| matrix.t().as_standard_layout().into_owned().reversed_axes();
    let (wax, waa, wya) = (turned(p.wax().to_owned()), turned(p.waa().to_owned()), turned(p.wya().to_owned()));
    assert!(!wax.is_standard_layout());
    assert_eq!(Parameters::from_arrays(&wax, &waa, &wya, &p.ba(), &p.by()), Ok(p));
}

#[test]
fn a_mutable_view_writes_its_own_matrix_only() {
    let mut p = Parameters::zeros(DIMS);
    p.wax_mut().fill(1.0);
    p.waa_mut().fill(2.0);
    p.wya_mut().fill(3.0);
    p.ba_mut().fill(4.0);
    p.by_mut().fill(5.0);
    let runs = [(1.0, 15), (2.0, 25), (3.0, 10), (4.0, 5), (5.0, 2)];
    let expected: Vec<f64> = runs.into_iter().flat_map(|(value, count)| vec![value; count]).collect();
    assert_eq!(p.as_slice(), expected);
}

#[test]
fn every_element_has_a_name_and_an_index_past_the_end_has_none() {
    let p = counted();
    let name = |value: f64| p.name_of(p.as_slice().iter().position(|v| v.to_bits() == value.to_bits()).unwrap());
    assert_eq!(name(p.wax()[[3, 1]]).as_deref(), Some("wax[3, 1]"));
    assert_eq!(name(p.waa()[[3, 1]]).as_deref(), Some("waa[3, 1]"));
    assert_eq!(name(p.wya()[[1, 4]]).as_deref(), Some("wya[1, 4]"));
    assert_eq!(name(p.ba()[2]).as_deref(), Some("ba[2]"));
    assert_eq!(name(p.by()[1]).as_deref(), Some("by[1]"));
    assert_eq!(p.name_of(DIMS.len()), None);
}

#[test]
fn parameters_are_added_scaled_and_measured_as_a_vector() {
    let (p, mut q) = (counted(), counted());
    q.scaled_add(-0.5, &p).unwrap();
    assert_eq!(q.by(), array![27.5, 28.0]);
    let squares = f64::from((0..57u32).map(|i| i * i).sum::<u32>());
    assert_eq!(p.dot(&p), Ok(squares));
    assert_eq!(q.dot(&p), Ok(squares / 2.0));
    assert!((p.norm() - squares.sqrt()).abs() < 1e-12);
    q.fill(0.25);
    assert!(q.as_slice().iter().all(|v| v.to_bits() == 0.25f64.to_bits()));
}

#[test]
fn parameters_are_equal_if_every_number_and_the_nonlinearity_are() {
    let p = counted();
    assert_eq!(p, p.clone());
    for index in 0..DIMS.len() {
        let mut other = p.clone();
        other.as_mut_slice()[index] += 1.0;
        assert_ne!(p, other);
    }
    assert_ne!(p, p.clone().with_activation(Activation::Relu));
    assert_ne!(Parameters::<f64>::zeros(DIMS), Parameters::zeros(Dims { n_x: 5, n_a: 3, ..DIMS }));
}

#[test]
fn a_network_without_units_has_no_parameters() {
    let empty = Parameters::<f32>::zeros(Dims::default());
    assert!(empty.dims().is_empty() && empty.as_slice().is_empty() && !DIMS.is_empty());
    assert!(empty.norm().abs() < f64::MIN_POSITIVE);
    let none = Array2::<f32>::zeros((0, 0));
    let bias = Array1::<f32>::zeros(0);
    assert_eq!(Parameters::from_arrays(&none, &none, &none, &bias, &bias), Ok(empty));
}

#[cfg(feature = "approx")]
#[test]
fn parameters_are_compared_element_by_element_within_a_tolerance() {
    use approx::{AbsDiffEq, RelativeEq, UlpsEq};
    use elman::{Activation, stack};

    let (p, mut q) = (counted(), counted());
    q.by_mut()[1] += 1e-9;
    assert!(p.abs_diff_eq(&q, 1e-8) && p.abs_diff_ne(&q, 1e-10));
    assert!(p.relative_eq(&q, 0.0, 1e-10) && p.relative_ne(&q, 0.0, 1e-12));
    q.by_mut()[1] = 56f64.next_up();
    assert!(p.ulps_eq(&q, 0.0, 1) && p.ulps_ne(&q, 0.0, 0));
    let other = Parameters::zeros(Dims { n_x: 5, n_a: 3, n_y: 2 });
    assert!(Parameters::<f64>::zeros(DIMS).abs_diff_ne(&other, f64::INFINITY));
    let relu = p.clone().with_activation(Activation::Relu);
    assert!(p.abs_diff_ne(&relu, f64::INFINITY) && p.ulps_ne(&relu, 0.0, u32::MAX));
    let [p, relu] = [&p, &relu].map(stack::Parameters::from);
    let mut q = p.clone();
    q.by_mut()[1] += 1e-9;
    assert!(p.abs_diff_eq(&q, 1e-8) && p.abs_diff_ne(&q, 1e-10) && p.relative_eq(&q, 0.0, 1e-10));
    assert!(p.abs_diff_ne(&relu, f64::INFINITY) && p.ulps_ne(&relu, 0.0, u32::MAX));
}

#[test]
fn dimensions_that_no_machine_can_address_are_refused() {
    let half = usize::MAX / 2 + 1;
    for (n_x, n_a, n_y) in [
        (half, 2, 0),
        (0, half, 0),
        (0, 1 << (usize::BITS / 2), 0),
        (0, 2, half),
        (half, 0, 0),
        (0, 0, half),
        (usize::MAX / 64, 5, usize::MAX / 64),
    ] {
        let dims = Dims { n_x, n_a, n_y };
        assert_eq!((dims.checked_len(), dims.len()), (None, usize::MAX), "{dims:?}");
        let error = Parameters::<f32>::try_zeros(dims).unwrap_err();
        let expected = format!(
            "a network of (n_x, n_a, n_y) = ({n_x}, {n_a}, {n_y}) has more parameters than a machine can address"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
#[should_panic(expected = "has more parameters than a machine can address")]
fn zeros_panics_where_try_zeros_returns_an_error() {
    let _ = Parameters::<f32>::zeros(Dims { n_x: usize::MAX / 2 + 1, n_a: 2, n_y: 0 });
}

#[test]
fn arrays_without_elements_may_declare_a_dimension_that_a_machine_can_address() {
    let n_x = usize::MAX / 64;
    let (wax, none) = (Array2::<f64>::zeros((0, n_x)), Array2::zeros((0, 0)));
    let p = Parameters::from_arrays(&wax, &none, &none, &Array1::zeros(0), &Array1::zeros(0)).unwrap();
    assert_eq!((p.wax().dim(), p.as_slice().len()), ((0, n_x), 0));

    let wax = Array2::<f64>::zeros((0, usize::MAX / 4));
    let error = Parameters::from_arrays(&wax, &none, &none, &Array1::zeros(0), &Array1::zeros(0)).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

/// Weights stay packed while the parameters do not change. Every way to change them must show.
#[test]
fn a_reused_cache_sees_every_change_of_the_parameters() {
    let x = Array3::from_shape_fn((3, 2, 4), |(i, j, t)| [0.3, -0.7, 0.1, 0.5][(i + 2 * j + t) % 4]);
    let dlogits = Array3::from_elem((2, 2, 4), 0.25);
    let (mut cache, mut back) = (Cache::default(), Backward::default());
    let mut check = |p: &Parameters<f64>, what: &str| {
        sequence::forward_into(p, &x, None, &mut cache).unwrap();
        let fresh = sequence::forward(p, &x, None).unwrap();
        assert_eq!(cache, fresh, "{what}");
        back.discard_gradients();
        sequence::backward_into(p, &cache, Upstream::logits(&dlogits), &mut back).unwrap();
        assert_eq!(back, sequence::backward(p, &fresh, Upstream::logits(&dlogits)).unwrap(), "{what}");
    };
    let scaled = |factor: f64| {
        let mut p = counted();
        p.as_mut_slice().iter_mut().for_each(|value| *value *= factor);
        p
    };
    let mut p = scaled(0.01);
    let mut gradients = Parameters::zeros(DIMS);
    gradients.fill(0.125);
    for round in 0..3 {
        check(&p, "unchanged");
        p.wax_mut()[[4, 0]] += 0.5;
        check(&p, "wax_mut");
        p.waa_mut()[[1, 3]] -= 0.5;
        check(&p, "waa_mut");
        p.wya_mut()[[1, 2]] += 0.5;
        check(&p, "wya_mut");
        p.ba_mut()[3] -= 0.25;
        check(&p, "ba_mut");
        p.by_mut()[1] += 0.25;
        check(&p, "by_mut");
        p.as_mut_slice()[20] = 0.75;
        check(&p, "as_mut_slice");
        p.scaled_add(-0.5, &gradients).unwrap();
        check(&p, "scaled_add");
        let clone = p.clone();
        p.fill(0.1);
        check(&p, "fill");
        check(&clone, "a clone, after the original has changed");
        p.clone_from(&clone);
        check(&p, "clone_from");
        p = p.with_activation(Activation::ALL[round + 1]);
        check(&p, "another nonlinearity");
        check(&scaled(0.02), "other parameters at the place of dropped ones");
        let copy = Parameters::from_arrays(&p.wax(), &p.waa(), &p.wya(), &p.ba(), &p.by()).unwrap();
        check(&copy, "from_arrays");
        check(&copy.to_f32().to_f64(), "a conversion");
        p.as_mut_slice().swap(16, 31);
        check(&p, "swapped elements");
    }
}

#[test]
fn a_reused_cache_of_a_stack_sees_every_change_of_the_parameters() {
    let x = Array3::from_shape_fn((3, 2, 4), |(i, j, t)| [0.3, -0.7, 0.1, 0.5][(i + 2 * j + t) % 4]);
    let dlogits = Array3::from_elem((2, 2, 4), 0.25);
    // The layers of the second have equal dimensions, and differ only by their place.
    for layers in [vec![Layer::new(5)], vec![Layer::new(3), Layer::new(3)], vec![Layer::new(3).bidirectional()]] {
        let mut p = stack::Parameters::zeros(Architecture::new(3, layers, 2));
        for (value, i) in p.as_mut_slice().iter_mut().zip(0_u8..) {
            *value = f64::from(i % 7) / 10.0 - 0.3;
        }
        let (mut cache, mut back) = (stack::Cache::default(), stack::Backward::default());
        let mut check = |p: &stack::Parameters<f64>, what: &str| {
            stack::forward_into(p, &x, None, &mut cache).unwrap();
            let fresh = stack::forward(p, &x, None).unwrap();
            assert_eq!(cache, fresh, "{what}");
            back.discard_gradients();
            let upstream = stack::Upstream::logits(&dlogits);
            stack::backward_into(p, &cache, upstream, &mut back).unwrap();
            assert_eq!(back, stack::backward(p, &fresh, upstream).unwrap(), "{what}");
        };
        check(&p, "first");
        p.waa_mut(0, Direction::Forward).unwrap()[[2, 1]] += 0.5;
        check(&p, "waa_mut");
        p.by_mut()[1] -= 0.5;
        check(&p, "by_mut");
        p.as_mut_slice()[3] = 0.5;
        check(&p, "as_mut_slice");
        let other = p.clone();
        p.scaled_add(0.5, &other).unwrap();
        check(&p, "scaled_add");
        check(&other, "a clone");
    }
}

#[test]
fn a_stack_overwrites_discarded_gradients_with_the_bits_of_a_sum_from_zero() {
    let x = Array3::from_shape_fn((3, 2, 4), |(i, j, t)| [0.3, -0.7, 0.1, 0.5][(i + 2 * j + t) % 4]);
    let tokens = Array2::from_shape_fn((2, 4), |(j, t)| (j + 2 * t) % 3);
    let (dlogits, no_rows) = (Array3::from_elem((2, 2, 4), 0.25), Array3::zeros((2, 2, 0)));
    let none = Array3::zeros((3, 2, 0));
    for layers in [vec![Layer::new(5)], vec![Layer::new(3), Layer::new(7)], vec![Layer::new(3).bidirectional(); 2]] {
        let mut p = stack::Parameters::<f64>::zeros(Architecture::new(3, layers, 2));
        for (value, i) in p.as_mut_slice().iter_mut().zip(0_u8..) {
            *value = f64::from(i % 7) / 10.0 - 0.3;
        }
        let input = || sequence::Input::from(&x);
        for (input, dlogits) in [
            (input(), &dlogits),
            (input().lengths(&[4, 1]), &dlogits),
            (sequence::Input::tokens(&tokens), &dlogits),
            (sequence::Input::from(&none), &no_rows),
        ] {
            let cache = stack::forward(&p, input, None).unwrap();
            let upstream = stack::Upstream::logits(dlogits);
            let expected = stack::backward(&p, &cache, upstream).unwrap();
            let mut back = expected.clone();
            back.gradients.as_mut_slice().fill(f64::NAN);
            back.discard_gradients();
            stack::backward_into(&p, &cache, upstream, &mut back).unwrap();
            assert_eq!(back, expected);
            stack::backward_into(&p, &cache, upstream, &mut back).unwrap();
            assert!(dlogits.is_empty() || back != expected, "the second pass adds");
        }
    }
}
