# The image of shmemd, shmemctl and the demo back-end.
#   docker build -t shmemd .      or, without a container engine:  ./dev image
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
# The packages are a layer of their own: they change seldom.
COPY scripts/setup.sh scripts/lib.sh scripts/
COPY scripts/packages scripts/packages
RUN scripts/setup.sh build
COPY . .
RUN ./dev build release shmemd shmemctl shmem-demo-backend \
 && install --strip -D -t /out/usr/bin build/release/bin/shmemd build/release/bin/shmemctl build/release/bin/shmem-demo-backend

FROM ${BASE_IMAGE}
COPY scripts/setup.sh scripts/lib.sh /tmp/setup/scripts/
COPY scripts/packages/runtime.txt /tmp/setup/scripts/packages/
RUN /tmp/setup/scripts/setup.sh runtime \
 && rm -rf /tmp/setup /var/lib/apt/lists/* /var/cache/apt/archives/*.deb \
 && install -d -o 65532 -g 65532 -m 0750 /run/shmemd
COPY --from=build /out/ /
USER 65532:65532
EXPOSE 18044
ENTRYPOINT ["/usr/bin/shmemd"]
# Kubelet and Prometheus ask from outside the container; arguments of your own have to say this too.
CMD ["--metrics-listen", "[::]:18044"]
