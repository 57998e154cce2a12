# Two stages: the first compiles, the second holds the compiled gateway and its run-time packages, nothing else.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json .npmrc LICENSE ./
RUN npm ci --omit=dev && npm cache clean --force
COPY --from=build /app/dist ./dist
COPY config ./config
COPY samples ./samples
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# S3, admin and metrics, gRPC.
EXPOSE 9000 9001 9002
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9001/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
# Inside a container every address but 0.0.0.0 is unreachable from outside, so the network that it is published to is the boundary:
# publish to loopback or a private network (-p 127.0.0.1:9000:9000), or give TLS files by a configuration file and drop --insecure.
CMD ["serve", "/data", "--s3", "0.0.0.0:9000", "--admin", "0.0.0.0:9001", "--grpc", "0.0.0.0:9002", "--insecure"]
