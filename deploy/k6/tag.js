// A stock client: k6 reads the contract from disk and tags a clip by its URI, call after call.
//   k6 run -e GATEWAY=127.0.0.1:50050 -e CLIP=file:///clips/holiday.mp4 deploy/k6/tag.js
// With CLASSIFIER=127.0.0.1:50052 it has each summary classified once more, by a unary call to the classifier itself.
// VUS callers (1) make ITERATIONS calls (1) in all. TOKEN is sent as a bearer token; TLS=true speaks TLS.
import grpc from 'k6/net/grpc';
import { check } from 'k6';

const plaintext = __ENV.TLS !== 'true';
const gateway = __ENV.GATEWAY || '127.0.0.1:50050';
const metadata = __ENV.TOKEN ? { authorization: `Bearer ${__ENV.TOKEN}` } : {};

export const options = {
  scenarios: {
    tag: { executor: 'shared-iterations', vus: Number(__ENV.VUS || 1), iterations: Number(__ENV.ITERATIONS || 1) },
  },
  thresholds: { checks: ['rate==1'] }, // one failure, and k6 ends with 99
};

const places = ['../../protos', '../../third_party'];
const client = new grpc.Client();
client.load(places, 'vidtomusictags/gateway/v1/gateway.proto');
const classifier = new grpc.Client();
classifier.load(places, 'vidtomusictags/classifier/v1/classifier.proto');

export default async function () {
  client.connect(gateway, { plaintext });
  try {
    const result = await tag();
    if (__ENV.CLASSIFIER && result) {
      classify(result);
    }
  } finally {
    client.close();
  }
}

function classify(result) {
  classifier.connect(__ENV.CLASSIFIER, { plaintext });
  const { text, statements } = result.summary;
  const request = { summary: text, statements };
  const response = classifier.invoke('vidtomusictags.classifier.v1.ClassifierService/Classify', request, { metadata });
  const ids = (classification) => classification.tags.map((tag) => tag.id).join();
  check(response, {
    'the classifier answers alone as behind the gateway': () =>
      response.status === grpc.StatusOK && ids(response.message.classification) === ids(result.classification),
  });
  classifier.close();
}

function tag() {
  return new Promise((resolve) => {
    const events = [];
    const stream = new grpc.Stream(client, 'vidtomusictags.gateway.v1.TaggingService/TagVideo', {
      metadata,
      timeout: '120s',
    });
    stream.on('data', (response) => events.push(response.event));
    stream.on('error', (error) => {
      console.error(`${error.code}: ${error.message}`);
      check(error, { 'no call failed': () => false });
      resolve();
    });
    stream.on('end', () => {
      const last = events[events.length - 1] || {};
      check(events, {
        'the call was accepted first': () => events.length > 0 && events[0].accepted !== undefined,
        'the sequence has no gap': () => events.every((event, at) => Number(event.sequence) === at + 1),
        'the last event is the result': () => last.result !== undefined,
        'the result has tags': () => (last.result ? last.result.classification.tags.length > 0 : false),
      });
      resolve(last.result);
    });
    stream.write({ uri: __ENV.CLIP });
    stream.end();
  });
}
