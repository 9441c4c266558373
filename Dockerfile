# The image that `cargo xtask image` makes, for whoever builds with Docker or Podman: docker build --tag arpeggio:dev .
# Two static programs and nothing else. The same sources, but not the same bytes: the compiler is that of the builder below.

FROM rust:1.95-bookworm AS build
WORKDIR /arpeggio
COPY . .
# Installs Debian's compiler for BPF, and a linker with the LLVM of that compiler.
RUN cargo xtask build-ebpf
# The C library is linked in. Naming the target keeps the flag away from build scripts and macros.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
    && export "CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)_RUSTFLAGS=-C target-feature=+crt-static" \
    && cargo build --release --locked --bins --package arpeggio-controller --package arpeggio-speaker --target "$target" \
    && mkdir /image && cp "target/$target/release/controller" "target/$target/release/speaker" /image/

FROM scratch
COPY --from=build /image/ /
ENV PATH=/
