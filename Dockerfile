# `make image` builds the binary first and gives its folder as the context.
FROM scratch
LABEL org.opencontainers.image.title="ingress421" \
      org.opencontainers.image.description="Ingress controller that answers 421 to misdirected requests" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /LICENSE
COPY ingress421 /ingress421
USER 65532:65532
EXPOSE 8080 8443 9090
ENTRYPOINT ["/ingress421"]
CMD ["run"]
