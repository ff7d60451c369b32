// Ranges as C++ scopes. By itself the program measures; within `joulemeter run` its ranges become
// part of that recording.
//
//     g++ scopes.cpp -ljoulemeter && ./a.out
#include <joulemeter.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <stdexcept>

static double work(double seconds) {
    using clock = std::chrono::steady_clock;
    auto end = clock::now() + std::chrono::duration<double>(seconds);
    double x = 0;
    while (clock::now() < end)
        for (int i = 0; i < 1000; i++) x += std::sqrt(static_cast<double>(i));
    return x;
}

static void solve(const joulemeter::session &session, int step) {
    joulemeter::range range(session, "solve", JM_CATEGORY_PHASE);
    double result = work(0.1);
    range.attributes("{\"step\":" + std::to_string(step) + "}");
    if (result < 0) throw std::runtime_error("it does not converge"); // the range ends all the same
}

int main() {
    try {
        joulemeter::session session;
        for (int step = 0; step < 3; step++) solve(session, step);
        joulemeter::range last(session, "last");
        work(0.3);
        last.end();
        jm_energy e = last.energy();
        char text[64];
        std::printf("last: %s\n", jm_value_text(e.energy_j, e.u95_j, "J", text, sizeof text));
        if (joulemeter::recording recording = session.close())
            std::fputs(recording.report().c_str(), stdout);
    } catch (const joulemeter::error &e) {
        std::fprintf(stderr, "scopes: %s\n", e.what());
        return 1;
    }
    return 0;
}
