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
    memory::dim t, m, nx, na, ny;
    std::vector<call> forward_calls, backward_calls;
    std::vector<memory> accumulated;
    memory hidden, y, dwax, dwaa, dwya, dba;
    std::vector<float> dby;
    float loss = 0;

    memory take(const float *&at, memory::dims dims, tag format) {
        memory result(of(dims, format), cpu);
        std::copy_n(at, count(result), data(result));
        at += count(result);
        return result;
    }

    peer(bool train, memory::dim t, memory::dim m, memory::dim nx, memory::dim na, memory::dim ny,
            const std::string &path)
        : train(train), t(t), m(m), nx(nx), na(na), ny(ny), dby(ny) {
        const memory::dim rows = t * m;
        std::vector<float> file(na * nx + na * na + ny * na + na + ny + rows * nx);
        std::ifstream(path, std::ios::binary)
                .read(reinterpret_cast<char *>(file.data()), file.size() * sizeof(float));
        const float *at = file.data();
        // oneDNN calls one row per output ldgoi.
        const memory wax = take(at, {1, 1, nx, 1, na}, tag::ldgoi);
        const memory waa = take(at, {1, 1, na, 1, na}, tag::ldgoi);
        const memory wya = take(at, {ny, na}, tag::ab);
        const memory ba = take(at, {1, 1, 1, na}, tag::ldgo);
        const memory by = take(at, {1, ny}, tag::ab);
        const memory x = take(at, {t, m, nx}, tag::tnc);
        memory a0(of({1, 1, m, na}, tag::ldnc), cpu);
        std::fill_n(data(a0), m * na, 0.f);
        hidden = memory(of({t, m, na}, tag::tnc), cpu);

        const auto kind = train ? prop_kind::forward_training : prop_kind::forward_inference;
        const auto layer_any = of({1, 1, nx, 1, na}, tag::any);
        const auto iter_any = of({1, 1, na, 1, na}, tag::any);
        const vanilla_rnn_forward::primitive_desc rnn(
                {kind, algorithm::eltwise_tanh, rnn_direction::unidirectional_left2right,
                        x.get_desc(), a0.get_desc(), layer_any, iter_any, ba.get_desc(),
                        hidden.get_desc(), desc()},
                cpu);
        arguments rnn_arguments = {{DNNL_ARG_SRC_LAYER, x}, {DNNL_ARG_SRC_ITER, a0},
                {DNNL_ARG_WEIGHTS_LAYER, packed(wax, rnn.weights_layer_desc())},
                {DNNL_ARG_WEIGHTS_ITER, packed(waa, rnn.weights_iter_desc())},
                {DNNL_ARG_BIAS, ba}, {DNNL_ARG_DST_LAYER, hidden}};
        memory workspace;
        if (train) {
            workspace = memory(rnn.workspace_desc(), cpu);
            rnn_arguments.insert({DNNL_ARG_WORKSPACE, workspace});
        }
        forward_calls.push_back({vanilla_rnn_forward(rnn), rnn_arguments});

        // logits = hidden · wyaᵀ + by
        const memory rows_of_hidden(of({rows, na}, tag::ab), cpu, hidden.get_data_handle());
        const memory wya_t(of({na, ny}, tag::ba), cpu, wya.get_data_handle());
        y = memory(of({rows, ny}, tag::ab), cpu);
        const matmul::primitive_desc head({rows_of_hidden.get_desc(), of({na, ny}, tag::any),
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
        const memory da(of({t, m, na}, tag::tnc), cpu);
        const memory rows_of_da(of({rows, na}, tag::ab), cpu, da.get_data_handle());
        const matmul::primitive_desc through_head(
                {y.get_desc(), of({ny, na}, tag::any), rows_of_da.get_desc()}, cpu);
        backward_calls.push_back({matmul(through_head),
                {{DNNL_ARG_SRC, y},
                        {DNNL_ARG_WEIGHTS, packed(wya, through_head.weights_desc())},
                        {DNNL_ARG_DST, rows_of_da}}});
        const memory dlogits_t(of({ny, rows}, tag::ba), cpu, y.get_data_handle());
        dwya = memory(of({ny, na}, tag::ab), cpu);
        const matmul::primitive_desc head_weights(
                {dlogits_t.get_desc(), rows_of_hidden.get_desc(), dwya.get_desc()}, cpu);
        backward_calls.push_back({matmul(head_weights),
                {{DNNL_ARG_SRC, dlogits_t}, {DNNL_ARG_WEIGHTS, rows_of_hidden},
                        {DNNL_ARG_DST, dwya}}});

        const vanilla_rnn_backward::primitive_desc back(
                {prop_kind::backward, algorithm::eltwise_tanh,
                        rnn_direction::unidirectional_left2right, x.get_desc(), a0.get_desc(),
                        layer_any, iter_any, ba.get_desc(), hidden.get_desc(), desc(),
                        x.get_desc(), a0.get_desc(), layer_any, iter_any, ba.get_desc(),
                        da.get_desc(), desc()},
                cpu, rnn);
        dwax = memory(back.diff_weights_layer_desc(), cpu);
        dwaa = memory(back.diff_weights_iter_desc(), cpu);
        dba = memory(ba.get_desc(), cpu);
        accumulated = {dwax, dwaa, dba};
        arguments back_arguments = rnn_arguments;
        back_arguments[DNNL_ARG_WEIGHTS_LAYER] = packed(wax, back.weights_layer_desc());
        back_arguments[DNNL_ARG_WEIGHTS_ITER] = packed(waa, back.weights_iter_desc());
        back_arguments.insert({{DNNL_ARG_DIFF_DST_LAYER, da},
                {DNNL_ARG_DIFF_SRC_LAYER, memory(x.get_desc(), cpu)},
                {DNNL_ARG_DIFF_SRC_ITER, memory(a0.get_desc(), cpu)},
                {DNNL_ARG_DIFF_WEIGHTS_LAYER, dwax}, {DNNL_ARG_DIFF_WEIGHTS_ITER, dwaa},
                {DNNL_ARG_DIFF_BIAS, dba}});
        backward_calls.push_back({vanilla_rnn_backward(back), back_arguments});
    }

    // Computes the mean cross-entropy of the rows of y, overwrites y with its gradient, and computes dby.
    void cross_entropy() {
        std::fill(dby.begin(), dby.end(), 0.f);
        const float scale = 1.f / (t * m);
        double sum = 0;
        float *row = data(y);
        for (memory::dim step = 0; step < t; ++step) {
            for (memory::dim column = 0; column < m; ++column, row += ny) {
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
        if (!train) return put(data(y), count(y));
        put(&loss, 1);
        const memory wax = packed(dwax, of({1, 1, nx, 1, na}, tag::ldgoi));
        const memory waa = packed(dwaa, of({1, 1, na, 1, na}, tag::ldgoi));
        for (const auto &gradient : {wax, waa, dwya, dba}) put(data(gradient), count(gradient));
        put(dby.data(), ny);
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
        memory::dim t, m, nx, na, ny;
        words >> dtype >> pass >> t >> m >> nx >> na >> ny >> source >> result;
        if (dtype != "f32") {
            std::cout << "unsupported" << std::endl;
            continue;
        }
        loaded = std::make_unique<peer>(pass == "train", t, m, nx, na, ny, source);
        loaded->run();
        loaded->write(result);
        std::cout << "ok" << std::endl;
    }
}
