// The oneDNN peer: vanilla_rnn with tanh, with matmul and softmax as its output layer, in f32.
// Answers measure.py's requests on standard input.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

#if DNNL_VERSION_MAJOR != 2
#error "written for oneDNN 2, where a primitive descriptor is made from an operation descriptor"
#endif

using namespace dnnl;
using tag = memory::format_tag;
using desc = memory::desc;
using arguments = std::unordered_map<int, memory>;
using clock_type = std::chrono::steady_clock;

namespace {

const engine cpu(engine::kind::cpu, 0);
stream queue(cpu);

desc of(memory::dims dims, tag format) { return {dims, memory::data_type::f32, format}; }

size_t count(const memory &m) { return m.get_desc().get_size() / sizeof(float); }

float *data(const memory &m) { return static_cast<float *>(m.get_data_handle()); }

// A primitive with its arguments, ready to run.
struct call {
    primitive what;
    arguments with;
    void operator()() const { what.execute(queue, with); }
};

// Reorders the numbers to the layout that a primitive needs: packing, outside the timing.
memory packed(memory from, const desc &to) {
    memory result(to, cpu);
    reorder(from, result).execute(queue, from, result);
    queue.wait();
    return result;
}

struct peer {
    bool train;
    memory::dim t, m, nx, na, ny, layers, directions;
    // Whether columns have different lengths. The padding is computed, and then ignored.
    bool ragged;
    std::vector<call> forward_calls, backward_calls;
    std::vector<memory> accumulated;
    // Of each layer: the gradients of wax, waa and ba, and the shapes of the weights.
    std::vector<memory> dwax, dwaa, dba;
    memory hidden, y, dwya;
    std::vector<float> dby;
    float loss = 0;

    // A file that is read in parts.
    struct file {
        std::vector<float> numbers;
        size_t at = 0;
        const float *take(size_t count) {
            at += count;
            return &numbers[at - count];
        }
    };

    static memory zeros(memory::dims dims, tag format) {
        memory result(of(dims, format), cpu);
        std::fill_n(data(result), count(result), 0.f);
        return result;
    }

    memory::dim length(memory::dim column) const { return ragged ? t - 7 * column % m * t / m : t; }

    memory::dim inputs(memory::dim layer) const { return layer ? directions * na : nx; }

    peer(bool train, memory::dim t, memory::dim m, memory::dim nx, memory::dim na, memory::dim ny,
            memory::dim layers, memory::dim directions, bool ragged, const std::string &path)
        : train(train), t(t), m(m), nx(nx), na(na), ny(ny), layers(layers), directions(directions),
          ragged(ragged), dby(ny) {
        const memory::dim rows = t * m, d = directions, width = d * na;
        file in;
        std::ifstream stream(path, std::ios::binary | std::ios::ate);
        in.numbers.resize(stream.tellg() / sizeof(float));
        stream.seekg(0);
        stream.read(reinterpret_cast<char *>(in.numbers.data()), in.numbers.size() * sizeof(float));

        // oneDNN calls one row per output ldgoi.
        std::vector<memory> wax, waa, ba;
        const memory wya(of({ny, width}, tag::ab), cpu), by(of({1, ny}, tag::ab), cpu);
        for (memory::dim layer = 0; layer < layers; ++layer) {
            const auto n = inputs(layer);
            wax.emplace_back(of({1, d, n, 1, na}, tag::ldgoi), cpu);
            waa.emplace_back(of({1, d, na, 1, na}, tag::ldgoi), cpu);
            ba.emplace_back(of({1, d, 1, na}, tag::ldgo), cpu);
            for (memory::dim direction = 0; direction < d; ++direction) {
                std::copy_n(in.take(na * n), na * n, data(wax[layer]) + direction * na * n);
                std::copy_n(in.take(na * na), na * na, data(waa[layer]) + direction * na * na);
                if (layer + 1 == layers) {
                    for (memory::dim row = 0; row < ny; ++row) {
                        std::copy_n(in.take(na), na, data(wya) + row * width + direction * na);
                    }
                }
                std::copy_n(in.take(na), na, data(ba[layer]) + direction * na);
                if (layer + 1 == layers && direction == 0) std::copy_n(in.take(ny), ny, data(by));
            }
        }
        const memory x(of({t, m, nx}, tag::tnc), cpu);
        std::copy_n(in.take(rows * nx), rows * nx, data(x));
        const memory a0 = zeros({1, d, m, na}, tag::ldnc);

        const auto kind = train ? prop_kind::forward_training : prop_kind::forward_inference;
        const auto way = d == 2 ? rnn_direction::bidirectional_concat
                                : rnn_direction::unidirectional_left2right;
        std::vector<memory> outputs = {x};
        std::vector<vanilla_rnn_forward::primitive_desc> rnns;
        std::vector<arguments> with;
        for (memory::dim layer = 0; layer < layers; ++layer) {
            const memory &below = outputs.back();
            const memory above(of({t, m, width}, tag::tnc), cpu);
            rnns.emplace_back(
                    vanilla_rnn_forward::desc{kind, algorithm::eltwise_tanh, way, below.get_desc(),
                            a0.get_desc(), of({1, d, inputs(layer), 1, na}, tag::any),
                            of({1, d, na, 1, na}, tag::any), ba[layer].get_desc(),
                            above.get_desc(), desc()},
                    cpu);
            const auto &rnn = rnns.back();
            with.push_back({{DNNL_ARG_SRC_LAYER, below}, {DNNL_ARG_SRC_ITER, a0},
                    {DNNL_ARG_WEIGHTS_LAYER, packed(wax[layer], rnn.weights_layer_desc())},
                    {DNNL_ARG_WEIGHTS_ITER, packed(waa[layer], rnn.weights_iter_desc())},
                    {DNNL_ARG_BIAS, ba[layer]}, {DNNL_ARG_DST_LAYER, above}});
            if (train) with.back().insert({DNNL_ARG_WORKSPACE, memory(rnn.workspace_desc(), cpu)});
            forward_calls.push_back({vanilla_rnn_forward(rnn), with.back()});
            outputs.push_back(above);
        }
        hidden = outputs.back();

        // logits = hidden · wyaᵀ + by
        const memory rows_of_hidden(of({rows, width}, tag::ab), cpu, hidden.get_data_handle());
        const memory wya_t(of({width, ny}, tag::ba), cpu, wya.get_data_handle());
        y = memory(of({rows, ny}, tag::ab), cpu);
        const matmul::primitive_desc head({rows_of_hidden.get_desc(), of({width, ny}, tag::any),
                                                  by.get_desc(), y.get_desc()},
                cpu);
        forward_calls.push_back({matmul(head),
                {{DNNL_ARG_SRC, rows_of_hidden},
                        {DNNL_ARG_WEIGHTS, packed(wya_t, head.weights_desc())},
                        {DNNL_ARG_BIAS, by}, {DNNL_ARG_DST, y}}});
        const softmax_forward::primitive_desc softmax(
                {prop_kind::forward_inference, y.get_desc(), 1}, cpu);
        forward_calls.push_back(
                {softmax_forward(softmax), {{DNNL_ARG_SRC, y}, {DNNL_ARG_DST, y}}});
        if (!train) return;

        // The gradient of the logits overwrites y; da = dlogits · wya; dwya = dlogitsᵀ · hidden
        memory da(of({t, m, width}, tag::tnc), cpu);
        const memory rows_of_da(of({rows, width}, tag::ab), cpu, da.get_data_handle());
        const matmul::primitive_desc through_head(
                {y.get_desc(), of({ny, width}, tag::any), rows_of_da.get_desc()}, cpu);
        backward_calls.push_back({matmul(through_head),
                {{DNNL_ARG_SRC, y},
                        {DNNL_ARG_WEIGHTS, packed(wya, through_head.weights_desc())},
                        {DNNL_ARG_DST, rows_of_da}}});
        const memory dlogits_t(of({ny, rows}, tag::ba), cpu, y.get_data_handle());
        dwya = memory(of({ny, width}, tag::ab), cpu);
        const matmul::primitive_desc head_weights(
                {dlogits_t.get_desc(), rows_of_hidden.get_desc(), dwya.get_desc()}, cpu);
        backward_calls.push_back({matmul(head_weights),
                {{DNNL_ARG_SRC, dlogits_t}, {DNNL_ARG_WEIGHTS, rows_of_hidden},
                        {DNNL_ARG_DST, dwya}}});

        dwax.resize(layers);
        dwaa.resize(layers);
        dba.resize(layers);
        for (memory::dim layer = layers; layer-- > 0;) {
            const auto layer_any = of({1, d, inputs(layer), 1, na}, tag::any);
            const auto iter_any = of({1, d, na, 1, na}, tag::any);
            const desc below = outputs[layer].get_desc();
            const vanilla_rnn_backward::primitive_desc back(
                    {prop_kind::backward, algorithm::eltwise_tanh, way, below, a0.get_desc(),
                            layer_any, iter_any, ba[layer].get_desc(), da.get_desc(), desc(),
                            below, a0.get_desc(), layer_any, iter_any, ba[layer].get_desc(),
                            da.get_desc(), desc()},
                    cpu, rnns[layer]);
            dwax[layer] = memory(back.diff_weights_layer_desc(), cpu);
            dwaa[layer] = memory(back.diff_weights_iter_desc(), cpu);
            dba[layer] = memory(ba[layer].get_desc(), cpu);
            accumulated.insert(accumulated.end(), {dwax[layer], dwaa[layer], dba[layer]});
            const memory d_below(below, cpu);
            arguments back_arguments = with[layer];
            back_arguments[DNNL_ARG_WEIGHTS_LAYER] = packed(wax[layer], back.weights_layer_desc());
            back_arguments[DNNL_ARG_WEIGHTS_ITER] = packed(waa[layer], back.weights_iter_desc());
            back_arguments.insert({{DNNL_ARG_DIFF_DST_LAYER, da},
                    {DNNL_ARG_DIFF_SRC_LAYER, d_below},
                    {DNNL_ARG_DIFF_SRC_ITER, memory(a0.get_desc(), cpu)},
                    {DNNL_ARG_DIFF_WEIGHTS_LAYER, dwax[layer]},
                    {DNNL_ARG_DIFF_WEIGHTS_ITER, dwaa[layer]},
                    {DNNL_ARG_DIFF_BIAS, dba[layer]}});
            backward_calls.push_back({vanilla_rnn_backward(back), back_arguments});
            da = d_below;
        }
    }

    // Computes the mean cross-entropy of the rows of y, overwrites y with its gradient, and computes dby.
    void cross_entropy() {
        std::fill(dby.begin(), dby.end(), 0.f);
        memory::dim present = 0;
        for (memory::dim column = 0; column < m; ++column) present += length(column);
        const float scale = 1.f / present;
        double sum = 0;
        float *row = data(y);
        for (memory::dim step = 0; step < t; ++step) {
            for (memory::dim column = 0; column < m; ++column, row += ny) {
                if (step >= length(column)) {
                    std::fill_n(row, ny, 0.f);
                    continue;
                }
                const memory::dim target = (31 * step + 7 * column) % ny;
                sum -= std::log(row[target]);
                row[target] -= 1;
                for (memory::dim i = 0; i < ny; ++i) dby[i] += row[i] *= scale;
            }
        }
        loss = sum * scale;
    }

    void run() {
        for (const auto &step : forward_calls) step();
        if (train) {
            queue.wait();
            cross_entropy();
            // oneDNN adds to the gradients of the recurrent weights.
            for (const auto &gradient : accumulated) {
                std::fill_n(data(gradient), count(gradient), 0.f);
            }
            for (const auto &step : backward_calls) step();
        }
        queue.wait();
    }

    void write(const std::string &path) const {
        std::ofstream file(path, std::ios::binary);
        const auto put = [&](const float *from, size_t numbers) {
            file.write(reinterpret_cast<const char *>(from), numbers * sizeof(float));
        };
        if (!train) {
            const std::vector<float> padding(ny);
            for (memory::dim row = 0; row < t * m; ++row) {
                put(row / m < length(row % m) ? data(y) + row * ny : padding.data(), ny);
            }
            return;
        }
        put(&loss, 1);
        for (memory::dim layer = 0; layer < layers; ++layer) {
            const memory::dim d = directions, n = inputs(layer);
            const memory wax = packed(dwax[layer], of({1, d, n, 1, na}, tag::ldgoi));
            const memory waa = packed(dwaa[layer], of({1, d, na, 1, na}, tag::ldgoi));
            for (memory::dim direction = 0; direction < d; ++direction) {
                const bool top = layer + 1 == layers;
                put(data(wax) + direction * na * n, na * n);
                put(data(waa) + direction * na * na, na * na);
                for (memory::dim row = 0; top && row < ny; ++row) {
                    put(data(dwya) + (row * d + direction) * na, na);
                }
                put(data(dba[layer]) + direction * na, na);
                if (top && direction == 0) put(dby.data(), ny);
            }
        }
    }
};

// Samples in milliseconds. Each is the mean over as many calls as fill a millisecond.
void sample(const std::function<void()> &run, double seconds) {
    const auto since = [](clock_type::time_point start) {
        return std::chrono::duration<double>(clock_type::now() - start).count();
    };
    const auto start = clock_type::now();
    for (long calls = 1;;) {
        const auto begin = clock_type::now();
        for (long i = 0; i < calls; ++i) run();
        const double elapsed = since(begin);
        if (elapsed < 1e-3) {
            calls *= 2;
            continue;
        }
        std::cout << 1e3 * elapsed / calls << ' ';
        if (since(start) >= seconds) break;
    }
    std::cout << std::endl;
}

} // namespace

int main() {
    const version_t *v = dnnl_version();
    std::cout << v->major << '.' << v->minor << '.' << v->patch << std::endl;
    std::unique_ptr<peer> loaded;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string verb, dtype, pass, source, result;
        words >> verb;
        if (verb == "time") {
            double seconds;
            words >> seconds;
            sample([&] { loaded->run(); }, seconds);
            continue;
        }
        memory::dim t, m, nx, na, ny, layers, directions;
        bool ragged;
        words >> dtype >> pass >> t >> m >> nx >> na >> ny >> layers >> directions >> ragged;
        words >> source >> result;
        if (dtype != "f32") {
            std::cout << "unsupported" << std::endl;
            continue;
        }
        loaded = std::make_unique<peer>(
                pass == "train", t, m, nx, na, ny, layers, directions, ragged, source);
        loaded->run();
        loaded->write(result);
        std::cout << "ok" << std::endl;
    }
}
