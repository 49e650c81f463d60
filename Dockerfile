# The image of shmemd, shmemctl and the demo peers: their shared libraries and nothing else that runs, no shell.
#   docker build -t shmemd .      or, without a container engine:  ./dev image
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
# The packages are a layer of their own: they change seldom.
COPY scripts/setup.sh scripts/lib.sh scripts/
COPY scripts/packages/build.txt scripts/packages/runtime.txt scripts/packages/
RUN scripts/setup.sh build runtime
COPY . .
# Objects are kept from one build to the next.
RUN --mount=type=cache,target=/root/.cache/ccache \
    ./dev build release shmemd shmemctl shmem-demo-backend shmem-demo-vmm
# One time for all files, so that the same sources make the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN scripts/image_root.sh /root-of-image build/release/bin/shmemd build/release/bin/shmemctl \
    build/release/bin/shmem-demo-backend build/release/bin/shmem-demo-vmm

FROM scratch
COPY --from=build /root-of-image/ /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="shmemd" \
      org.opencontainers.image.description="Shows the VIRTIO shared memory of virtual machines: a sidecar between VMM and vhost-user back-ends" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
EXPOSE 18044
# Drains: no new sessions, those that live may end by themselves.
STOPSIGNAL SIGTERM
# No HEALTHCHECK on purpose: some orchestrators kill what is unhealthy, and the end of a relay is the end of the devices
# behind it. Who wants one says so: ["CMD", "/usr/bin/shmemctl", "health"], without a shell.
ENTRYPOINT ["/usr/bin/shmemd"]
# Kubelet and Prometheus ask from outside the container; arguments of your own have to say this too.
CMD ["--metrics-listen", "[::]:18044"]
