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

    def shapes(self):
        """Shapes of wax, waa, wya, ba, by and x, in the order of the file."""
        n_x, n_a, n_y = self.n_x, self.n_a, self.n_y
        return (n_a, n_x), (n_a, n_a), (n_y, n_a), (n_a,), (n_y,), (self.t_x, self.m, n_x)

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


def numpy(case, wax, waa, wya, ba, by, x):
    """NumPy as in the notebook: (n, m, T_x) arrays, step by step."""
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


def batched(case, wax, waa, wya, ba, by, x):
    """NumPy with all products that do not depend on the recurrence outside of the loop."""
    t_x, rows = case.t_x, np.arange(case.t_x * case.m)
    x2, targets = x.reshape(-1, case.n_x), case.targets().ravel()
    left = []

    def forward():
        z = (x2 @ wax.T + ba).reshape(t_x, case.m, case.n_a)
        a = np.zeros((t_x + 1, case.m, case.n_a), case.dtype)
        for t in range(t_x):
            z[t] += a[t] @ waa.T
            np.tanh(z[t], out=a[t + 1])
        y = a[1:].reshape(-1, case.n_a) @ wya.T + by
        y -= y.max(axis=1, keepdims=True)
        np.exp(y, out=y)
        y /= y.sum(axis=1, keepdims=True)
        left[:] = (y,)
        return a, y

    def train():
        a, y = forward()
        loss = -np.log(y[rows, targets]).mean()
        y[rows, targets] -= 1
        y /= len(rows)
        hidden, previous = a[1:].reshape(-1, case.n_a), a[:-1].reshape(-1, case.n_a)
        da = (y @ wya).reshape(t_x, case.m, case.n_a)
        dz = 1 - a[1:] ** 2
        for t in reversed(range(t_x)):
            dz[t] *= da[t]
            if t:
                da[t - 1] += dz[t] @ waa
        dz = dz.reshape(-1, case.n_a)
        left[:] = loss, dz.T @ x2, dz.T @ previous, y.T @ hidden, dz.sum(axis=0), y.sum(axis=0)

    return train if case.train else forward, lambda: flatten(*left)


def torch(case, wax, waa, wya, ba, by, x):
    """Eager `nn.RNN` and `nn.Linear`, `F.cross_entropy` and autograd."""
    import torch
    from torch.nn import functional as F

    rnn = torch.nn.RNN(case.n_x, case.n_a)
    head = torch.nn.Linear(case.n_a, case.n_y)
    parameters = rnn.weight_ih_l0, rnn.weight_hh_l0, head.weight, rnn.bias_ih_l0, head.bias
    with torch.no_grad():
        rnn.bias_hh_l0.zero_()
        for module in (rnn, head):
            module.to(getattr(torch, case.dtype))
        for parameter, value in zip(parameters, (wax, waa, wya, ba, by)):
            parameter.copy_(torch.from_numpy(value))
    x, targets = torch.from_numpy(x), torch.from_numpy(case.targets().ravel())
    left = []

    @torch.inference_mode()
    def forward():
        left[:] = (F.softmax(head(rnn(x)[0]), dim=-1),)

    def train():
        rnn.zero_grad(set_to_none=True)
        head.zero_grad(set_to_none=True)
        loss = F.cross_entropy(head(rnn(x)[0]).view(-1, case.n_y), targets)
        loss.backward()
        left[:] = (loss.detach(),)

    def result():
        return flatten(*left, *(p.grad for p in parameters if case.train))

    return train if case.train else forward, result


def jax(case, wax, waa, wya, ba, by, x):
    """Jitted `lax.scan` over a batched input projection, and `value_and_grad`."""
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    parameters, x = jax.device_put(((wax, waa, wya, ba, by), x))
    targets = jnp.asarray(case.targets(), jnp.int32)
    left = []

    def logits(parameters, x):
        wax, waa, wya, ba, by = parameters

        def step(a, xw):
            a = jnp.tanh(xw + a @ waa.T)
            return a, a

        a0 = jnp.zeros((case.m, case.n_a), x.dtype)
        return jax.lax.scan(step, a0, x @ wax.T + ba)[1] @ wya.T + by

    def loss(parameters, x, targets):
        log_y = jax.nn.log_softmax(logits(parameters, x))
        return -jnp.take_along_axis(log_y, targets[..., None], axis=-1).mean()

    predict = jax.jit(lambda parameters, x: jax.nn.softmax(logits(parameters, x)))
    gradient = jax.jit(jax.value_and_grad(loss))

    def forward():
        left[:] = (predict(parameters, x).block_until_ready(),)

    def train():
        value, gradients = jax.block_until_ready(gradient(parameters, x, targets))
        left[:] = value, *gradients

    return train if case.train else forward, lambda: flatten(*left)


def onnxruntime(case, wax, waa, wya, ba, by, x):
    """The RNN, MatMul, Add and Softmax operators; float32 forward only."""
    if case.train or case.dtype != "float32":
        return None
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weights = {
        "w": wax[None],
        "r": waa[None],
        "b": np.concatenate([ba, np.zeros_like(ba)])[None],
        "wya": np.ascontiguousarray(wya.T),
        "by": by,
        "axes": np.array([1]),
    }
    nodes = [
        helper.make_node("RNN", ["x", "w", "r", "b"], ["a"], hidden_size=case.n_a),
        helper.make_node("Squeeze", ["a", "axes"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "wya"], ["product"]),
        helper.make_node("Add", ["product", "by"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "elman",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (case.t_x, case.m, case.n_y))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
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
    return lambda: session.run_with_iobinding(binding), lambda: flatten(y.numpy())


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
