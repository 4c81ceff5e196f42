"""Derives the constants of `src/kernel/math/constants.rs` and prints them as Rust code.

    pip install mpmath==1.3.0
    python polynomials.py

tanh  On |r| <= theta * ln(2)/2, tanh(r) is r + r*u*p(u) with u = r^2.  p is the polynomial of the
      chosen number of terms with the smallest maximum error relative to tanh(r).
exp   On ln(3/4) <= r <= ln(3/2), exp(r) is 1 + (r + r^2*q(r)).  q is the polynomial with the
      smallest maximum error relative to exp(r).

Both use the exchange algorithm of Remez at 240 bits. Each coefficient is then rounded to the
element type, and the printed error is that of the rounded coefficients. Nothing here is random.
"""

import struct

import mpmath
from mpmath import mp, mpf

mp.prec = 240

LN_2 = mpmath.log(2)
# Rounding at the boundary of n can put the reduced argument slightly outside its interval.
SLACK = 1 + mpf(2) ** -10


def rounded(value, element):
    """The nearest number of the element type."""
    with mp.workprec({"f32": 24, "f64": 53}[element]):
        return +mpf(value)


def rust(value, element):
    """The shortest decimal that reads back as this number of the element type."""
    number = float(value)
    if element == "f64":
        return repr(number)
    bits = struct.pack("f", number)
    return next(
        text
        for digits in range(1, 10)
        if struct.pack("f", float(text := f"{number:.{digits}g}")) == bits
    )


def largest(error, low, high, points=4000):
    """The largest magnitude of a function on an interval."""
    steps = (low + (high - low) * mpf(i) / points for i in range(points + 1))
    return max(abs(error(x)) for x in steps)


def minimax(function, weight, terms, low, high):
    """Coefficients c with the smallest max |weight(x) * (function(x) - sum c_i x^i)| on [low, high]."""
    count = 40 * (terms + 2)
    middle, half = (low + high) / 2, (high - low) / 2
    x = [middle - half * mpmath.cos(mp.pi * i / count) for i in range(count + 1)]
    f, w = [function(v) for v in x], [weight(v) for v in x]
    # The extrema of the error are near those of a Chebyshev polynomial; an exchange refines them.
    reference = [round(count * (i + 0.5) / (terms + 1)) for i in range(terms + 1)]
    while True:
        # Solve for coefficients and a level such that the error alternates between +level and -level.
        system = mpmath.matrix(terms + 1)
        right = mpmath.matrix(terms + 1, 1)
        for row, j in enumerate(reference):
            for i in range(terms):
                system[row, i] = w[j] * x[j] ** i
            system[row, terms] = (-1) ** row
            right[row] = w[j] * f[j]
        solution = mpmath.lu_solve(system, right)
        c, level = solution[:terms], abs(solution[terms])
        error = [
            w[j] * (f[j] - mpmath.polyval(c[::-1], x[j])) for j in range(count + 1)
        ]
        if max(map(abs, error)) <= level * (1 + mpf(10) ** -6):
            return c
        # One extremum for each run of errors of the same sign. If there are too many, the outer ones are dropped.
        extrema = []
        for j, e in enumerate(error):
            if extrema and (e > 0) == (error[extrema[-1]] > 0):
                if abs(e) > abs(error[extrema[-1]]):
                    extrema[-1] = j
            else:
                extrema.append(j)
        while len(extrema) > terms + 1:
            first_is_smaller = abs(error[extrema[0]]) < abs(error[extrema[-1]])
            extrema.pop(0 if first_is_smaller else -1)
        reference = extrema


def taylor_near_zero(function, at_zero):
    """`function`, with its first Taylor terms where its closed form is 0/0."""
    tiny = mpf(2) ** -60
    return lambda x: at_zero(x) if abs(x) < tiny else function(x)


def tanh_terms(theta, terms, element):
    """p of tanh, and its error relative to tanh."""
    last = theta * LN_2 / 2 * SLACK
    tail = taylor_near_zero(
        lambda u: (mpmath.tanh(mpmath.sqrt(u)) / mpmath.sqrt(u) - 1) / u,
        lambda u: -mpf(1) / 3 + 2 * u / 15,
    )
    weight = taylor_near_zero(
        lambda u: u * mpmath.sqrt(u) / mpmath.tanh(mpmath.sqrt(u)), lambda u: u
    )
    p = minimax(tail, weight, terms, mpf(0), last**2)
    p = [rounded(c, element) for c in p]
    error = lambda u: weight(u) * (tail(u) - mpmath.polyval(p[::-1], u))
    return p, largest(error, mpf(0), last**2)


def exp_terms(terms, element):
    """q of exp, and its error relative to exp."""
    low, high = mpmath.log(0.75) * SLACK, mpmath.log(1.5) * SLACK
    tail = taylor_near_zero(
        lambda r: (mpmath.expm1(r) - r) / r**2, lambda r: mpf(1) / 2 + r / 6
    )
    weight = lambda r: r**2 * mpmath.exp(-r)
    q = minimax(tail, weight, terms, low, high)
    q = [rounded(c, element) for c in q]
    error = lambda r: weight(r) * (tail(r) - mpmath.polyval(q[::-1], r))
    return q, largest(error, low, high)


def show(name, values, element):
    print(f"  {name}: {', '.join(rust(value, element) for value in values)}")


def main():
    for element, theta, of_tanh, of_exp in [
        ("f32", mpf("1.3125"), 4, 5),
        ("f64", mpf("0.8125"), 7, 10),
    ]:
        p, error = tanh_terms(theta, of_tanh, element)
        print(f"{element} tanh, relative error 2^{float(mpmath.log(error, 2)):.2f}")
        show("p", p, element)
        q, error = exp_terms(of_exp, element)
        print(f"{element} exp, relative error 2^{float(mpmath.log(error, 2)):.2f}")
        show("q", q, element)
        left_out = LN_2 - rounded(LN_2, element)
        show("step_low", [rounded(left_out, element)], element)


if __name__ == "__main__":
    main()
