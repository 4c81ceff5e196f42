"""The Python peers: `peers.py NAME THREADS` answers measure.py's requests on standard input.

Every peer is a function of the case and its arrays that returns `run` and `result`. `run()` is
timed. `result()` returns the result of the last run as one flat array, in the order that
measure.py compares: the output, or the loss and the gradients. The function returns None if the
peer cannot compute the case.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np

# A sample is the mean over as many calls as take this long, which makes the cost of the clock negligible.
SAMPLE = 1e-3


@dataclass
class Case:
    train: bool
    dtype: str
    t_x: int
    m: int
    n_x: int
    n_a: int
    n_y: int
    layers: int = 1
    directions: int = 1
    ragged: int = 0

    def is_plain(self):
        """Whether it is one layer in one direction, with all columns of T_x steps."""
        return self.layers * self.directions == 1 and not self.ragged

    def lengths(self):
        """The steps of every column. In a ragged batch half of all steps are padding."""
        j = np.arange(self.m)
        return self.t_x - (7 * j % self.m) * self.t_x // self.m if self.ragged else np.full(self.m, self.t_x)

    def present(self):
        """Whether a column has a step, in (T_x, m)."""
        return np.arange(self.t_x)[:, None] < self.lengths()

    def keys(self):
        """Layer and direction of every network, in the order of the file."""
        return [(layer, direction) for layer in range(self.layers) for direction in range(self.directions)]

    def shapes(self):
        """Shapes of every network's wax, waa, wya, ba and by, and of x, in the order of the file.

        Only the highest layer has wya, and only its first direction has by.
        """
        shapes = []
        for layer, direction in self.keys():
            n_x = self.directions * self.n_a if layer else self.n_x
            top = layer + 1 == self.layers
            shapes += [(self.n_a, n_x), (self.n_a, self.n_a)] + [(self.n_y, self.n_a)] * top + [(self.n_a,)]
            shapes += [(self.n_y,)] * (top and direction == 0)
        return (*shapes, (self.t_x, self.m, self.n_x))

    def networks(self, arrays):
        """(wax, waa, ba) by layer and direction; wya of all directions side by side; by."""
        rest, networks, wya, by = iter(arrays), {}, [], None
        for layer, direction in self.keys():
            wax, waa = next(rest), next(rest)
            if layer + 1 == self.layers:
                wya.append(next(rest))
            networks[layer, direction] = wax, waa, next(rest)
            if layer + 1 == self.layers and direction == 0:
                by = next(rest)
        return networks, np.concatenate(wya, axis=1), by

    def in_order(self, networks, wya, by):
        """The reverse of `networks`, for gradients."""
        parts = []
        for layer, direction in self.keys():
            wax, waa, ba = networks[layer, direction]
            top = layer + 1 == self.layers
            units = slice(direction * self.n_a, (direction + 1) * self.n_a)
            parts += [wax, waa] + [wya[:, units]] * top + [ba] + [by] * (top and direction == 0)
        return parts

    def read(self, path):
        flat = np.fromfile(path, self.dtype)
        ends = np.cumsum([np.prod(shape) for shape in self.shapes()])
        return [a.reshape(s) for a, s in zip(np.split(flat, ends[:-1]), self.shapes())]

    def targets(self):
        """The class of every step and column, in (T_x, m)."""
        t, j = np.ogrid[: self.t_x, : self.m]
        return (31 * t + 7 * j) % self.n_y


def flatten(*parts):
    return np.concatenate([np.ravel(np.asarray(part)) for part in parts])


def numpy(case, *arrays):
    """NumPy as in the notebook: (n, m, T_x) arrays, step by step."""
    if not case.is_plain():
        return None
    wax, waa, wya, ba, by, x = arrays
    x = np.ascontiguousarray(x.transpose(2, 1, 0))
    ba, by = ba[:, None], by[:, None]
    a0 = np.zeros((case.n_a, case.m), case.dtype)
    at = case.targets().T, np.arange(case.m)[:, None], np.arange(case.t_x)
    left = []

    def softmax(z):
        e = np.exp(z - z.max(axis=0, keepdims=True))
        return e / e.sum(axis=0, keepdims=True)

    def forward():
        a = np.empty((case.n_a, case.m, case.t_x), case.dtype)
        y = np.empty((case.n_y, case.m, case.t_x), case.dtype)
        a_next = a0
        for t in range(case.t_x):
            a_next = np.tanh(wax @ x[:, :, t] + waa @ a_next + ba)
            a[:, :, t] = a_next
            y[:, :, t] = softmax(wya @ a_next + by)
        left[:] = (y.transpose(2, 1, 0),)
        return a, y

    def train():
        a, y = forward()
        loss = -np.log(y[at]).mean()
        y[at] -= 1
        y /= case.m * case.t_x
        dwax, dwaa, dwya, dba, dby = map(np.zeros_like, (wax, waa, wya, ba, by))
        da = np.zeros_like(a0)
        for t in reversed(range(case.t_x)):
            a_next, a_prev = a[:, :, t], a[:, :, t - 1] if t else a0
            dwya += y[:, :, t] @ a_next.T
            dby += y[:, :, t].sum(axis=1, keepdims=True)
            dz = (1 - a_next**2) * (wya.T @ y[:, :, t] + da)
            dwax += dz @ x[:, :, t].T
            dwaa += dz @ a_prev.T
            dba += dz.sum(axis=1, keepdims=True)
            da = waa.T @ dz
        left[:] = loss, dwax, dwaa, dwya, dba, dby

    return train if case.train else forward, lambda: flatten(*left)


def batched(case, *arrays):
    """NumPy with all products that do not depend on the recurrence outside of the loop."""
    *parameters, x = arrays
    networks, wya, by = case.networks(parameters)
    t_x, m, n_a, rows = case.t_x, case.m, case.n_a, np.arange(case.t_x * case.m)
    targets, zero = case.targets().ravel(), np.zeros((m, n_a), case.dtype)
    present = case.present().ravel()
    left = []

    def steps(direction):
        return range(t_x) if direction == 0 else reversed(range(t_x))

    def forward():
        below, states = x, {}
        for layer in range(case.layers):
            for direction in range(case.directions):
                wax, waa, ba = networks[layer, direction]
                z = (below.reshape(len(rows), -1) @ wax.T + ba).reshape(t_x, m, n_a)
                a, a_prev = np.empty_like(z), zero
                for t in steps(direction):
                    z[t] += a_prev @ waa.T
                    a_prev = np.tanh(z[t], out=a[t])
                states[layer, direction] = below, a
            outputs = [states[layer, direction][1] for direction in range(case.directions)]
            below = np.concatenate(outputs, axis=2) if len(outputs) > 1 else outputs[0]
        y = below.reshape(len(rows), -1) @ wya.T + by
        y -= y.max(axis=1, keepdims=True)
        np.exp(y, out=y)
        y /= y.sum(axis=1, keepdims=True)
        if case.ragged:
            y[~present] = 0
        left[:] = (y,)
        return states, below, y

    def train():
        states, top, y = forward()
        loss = -np.log(y[rows, targets][present]).mean()
        y[rows[present], targets[present]] -= 1
        y /= present.sum()
        above, gradients = (y @ wya).reshape(t_x, m, -1), {}
        for layer in reversed(range(case.layers)):
            d_below = 0
            for direction in range(case.directions):
                wax, waa, ba = networks[layer, direction]
                below, a = states[layer, direction]
                da = above[:, :, direction * n_a : (direction + 1) * n_a]
                dz, later = 1 - a**2, zero
                for t in reversed([*steps(direction)]):
                    dz[t] *= da[t] + later
                    later = dz[t] @ waa
                previous = np.empty_like(a)
                first, others, before = (0, slice(1, None), slice(None, -1)) if direction == 0 else (-1, slice(None, -1), slice(1, None))
                previous[first], previous[others] = 0, a[before]
                dz = dz.reshape(-1, n_a)
                previous, below = previous.reshape(-1, n_a), below.reshape(len(rows), -1)
                gradients[layer, direction] = dz.T @ below, dz.T @ previous, dz.sum(axis=0)
                if layer:
                    d_below = d_below + dz @ wax
            above = d_below.reshape(t_x, m, -1) if layer else None
        dwya = y.T @ top.reshape(len(rows), -1)
        left[:] = loss, *case.in_order(gradients, dwya, y.sum(axis=0))

    return train if case.train else forward, lambda: flatten(*left)


def torch(case, *arrays):
    """Eager `nn.RNN` and `nn.Linear`, `F.cross_entropy` and autograd."""
    import torch
    from torch.nn import functional as F

    *parameters, x = arrays
    networks, wya, by = case.networks(parameters)
    rnn = torch.nn.RNN(case.n_x, case.n_a, case.layers, bidirectional=case.directions == 2)
    head = torch.nn.Linear(case.directions * case.n_a, case.n_y)
    own = {}
    with torch.no_grad():
        for module in (rnn, head):
            module.to(getattr(torch, case.dtype))
        for (layer, direction), values in networks.items():
            suffix = f"_l{layer}" + "_reverse" * direction
            own[layer, direction] = [getattr(rnn, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih")]
            getattr(rnn, "bias_hh" + suffix).zero_()
            for parameter, value in zip(own[layer, direction], values):
                parameter.copy_(torch.from_numpy(value))
        head.weight.copy_(torch.from_numpy(wya))
        head.bias.copy_(torch.from_numpy(by))
    x, targets = torch.from_numpy(x), torch.from_numpy(case.targets().ravel())
    present = torch.from_numpy(case.present())
    if case.ragged:
        targets[~present.view(-1)] = -100  # which cross_entropy ignores
    lengths = torch.from_numpy(case.lengths())
    left = []

    def hidden():
        if not case.ragged:
            return rnn(x)[0]
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        return torch.nn.utils.rnn.pad_packed_sequence(rnn(packed)[0])[0]

    @torch.inference_mode()
    def forward():
        left[:] = (F.softmax(head(hidden()), dim=-1),)

    def train():
        rnn.zero_grad(set_to_none=True)
        head.zero_grad(set_to_none=True)
        loss = F.cross_entropy(head(hidden()).view(-1, case.n_y), targets)
        loss.backward()
        left[:] = (loss.detach(),)

    def result():
        if not case.train:
            return flatten(left[0] * present[..., None])
        gradients = {key: [parameter.grad for parameter in values] for key, values in own.items()}
        return flatten(*left, *case.in_order(gradients, head.weight.grad, head.bias.grad))

    return train if case.train else forward, result


def jax(case, *arrays):
    """Jitted `lax.scan` over a batched input projection, and `value_and_grad`."""
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    *parameters, x = arrays
    parameters, x = jax.device_put((case.networks(parameters), x))
    targets, present = jnp.asarray(case.targets(), jnp.int32), jnp.asarray(case.present())
    left = []

    def logits(parameters, below):
        networks, wya, by = parameters

        def states(below, wax, waa, ba, reverse):
            def step(a, xw):
                a = jnp.tanh(xw + a @ waa.T)
                return a, a

            a0 = jnp.zeros((case.m, case.n_a), x.dtype)
            return jax.lax.scan(step, a0, below @ wax.T + ba, reverse=reverse)[1]

        for layer in range(case.layers):
            outputs = [states(below, *networks[layer, d], d == 1) for d in range(case.directions)]
            below = jnp.concatenate(outputs, axis=-1)
        return below @ wya.T + by

    def loss(parameters, x, targets):
        log_y = jax.nn.log_softmax(logits(parameters, x))
        nats = -jnp.take_along_axis(log_y, targets[..., None], axis=-1)[..., 0]
        return nats.mean(where=present) if case.ragged else nats.mean()

    predict = jax.jit(lambda parameters, x: jax.nn.softmax(logits(parameters, x)))
    gradient = jax.jit(jax.value_and_grad(loss))

    def forward():
        left[:] = (predict(parameters, x).block_until_ready(),)

    def train():
        left[:] = jax.block_until_ready(gradient(parameters, x, targets))

    def result():
        if not case.train:
            return flatten(left[0] * present[..., None])
        return flatten(left[0], *case.in_order(*left[1]))

    return train if case.train else forward, result


def onnxruntime(case, *arrays):
    """The RNN, MatMul, Add and Softmax operators; float32 forward only."""
    if case.train or case.dtype != "float32":
        return None
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    *parameters, x = arrays
    networks, wya, by = case.networks(parameters)
    direction = "bidirectional" if case.directions == 2 else "forward"
    present = case.present()[..., None].astype(case.dtype)
    weights = {"lengths": case.lengths().astype(np.int32), "wya": np.ascontiguousarray(wya.T), "by": by, "axes": np.array([1]), "shape": np.array([0, 0, -1])}
    nodes, below = [], "x"
    for layer in range(case.layers):
        w, r, b = zip(*(networks[layer, d] for d in range(case.directions)))
        a, hidden = f"a{layer}", f"hidden{layer}"
        names = [f"{name}{layer}" for name in "wrb"]
        weights |= zip(names, (np.stack(w), np.stack(r), np.concatenate([np.stack(b), np.zeros_like(b)], axis=1)))
        settings = {"hidden_size": case.n_a, "direction": direction, "activations": ["Tanh"] * case.directions}
        inputs = [below, *names] + ["lengths"] * case.ragged
        nodes.append(helper.make_node("RNN", inputs, [a], **settings))
        if case.directions == 1:
            nodes.append(helper.make_node("Squeeze", [a, "axes"], [hidden]))
        else:
            nodes.append(helper.make_node("Transpose", [a], [a + "t"], perm=[0, 2, 1, 3]))
            nodes.append(helper.make_node("Reshape", [a + "t", "shape"], [hidden]))
        below = hidden
    nodes += [
        helper.make_node("MatMul", [below, "wya"], ["product"]),
        helper.make_node("Add", ["product", "by"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=-1),
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "elman",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (case.t_x, case.m, case.n_y))],
        [numpy_helper.from_array(value, name) for name, value in weights.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    y = onnxruntime.OrtValue.ortvalue_from_shape_and_type((case.t_x, case.m, case.n_y), np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
    binding.bind_ortvalue_output("y", y)
    return lambda: session.run_with_iobinding(binding), lambda: flatten(y.numpy() * present)


PEERS = {f.__name__: f for f in (numpy, batched, torch, jax, onnxruntime)}


def sample(run, budget):
    """Samples in milliseconds over `budget` seconds, at least one."""
    samples, calls, start = [], 1, time.perf_counter()
    while True:
        begin = time.perf_counter()
        for _ in range(calls):
            run()
        end = time.perf_counter()
        if end - begin < SAMPLE:
            calls *= 2
            continue
        samples.append(1e3 * (end - begin) / calls)
        if end - start >= budget:
            return samples


def serve(name):
    peer = PEERS[name]
    library = "numpy" if name == "batched" else name
    module = __import__(library)
    if library == "torch":
        module.set_num_threads(THREADS)
    print(module.__version__, flush=True)
    for request in sys.stdin:
        verb, *words = request.split()
        if verb == "load":
            dtype, train, *dims, source, result_path = words
            dtype = {"f32": "float32", "f64": "float64"}[dtype]
            case = Case(train == "train", dtype, *map(int, dims))
            loaded = peer(case, *case.read(source))
            if loaded is None:
                print("unsupported", flush=True)
                continue
            run, result = loaded
            run()
            result().astype(dtype).tofile(result_path)
            print("ok", flush=True)
        else:
            print(*sample(run, float(words[0])), flush=True)


if __name__ == "__main__":
    THREADS = int(sys.argv[2])
    serve(sys.argv[1])
