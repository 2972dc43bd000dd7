/**
 * MAEC 5.0 and the STIX 2.0 observables that we write, as one JSON schema (draft 2020-12): what the JSON schemas of
 * https://github.com/MAECProject/schemas and https://github.com/oasis-open/cti-stix2-json-schemas (stix2.0) say of them,
 * and the MUSTs of https://maecproject.github.io/documentation/maec5-docs/ that those leave to the reader: the form of
 * identifiers, no empty lists, times in UTC, keys of dictionaries. Unlike them it refuses properties it does not know,
 * so that a misspelt one is found.
 */

const object = (
  properties: Record<string, object | boolean>,
  required: readonly string[] = [],
  more: object = {},
): object => ({ type: 'object', properties, required, additionalProperties: false, ...more });
const list = (items: object): object => ({ type: 'array', items, minItems: 1 });
const ref = (name: string): object => ({ $ref: `#/$defs/${name}` });

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const port = { type: 'integer', minimum: 0, maximum: 65535 };
const objectRef = { type: 'string', pattern: '^[0-9]+$' };
const time = {
  type: 'string',
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?Z$',
  format: 'date-time',
};
const word = { type: 'string', pattern: '^[a-z0-9]+(?:-[a-z0-9]+)*$' };
const identifier = (type: string): object => ({
  type: 'string',
  pattern: `^${type}--[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
});
const dictionary = (values: object): object => ({
  type: 'object',
  propertyNames: { pattern: '^[a-zA-Z0-9_-]{3,256}$' },
  additionalProperties: values,
  minProperties: 1,
});
const hex = (digits: number): object => ({ type: 'string', pattern: `^[a-fA-F0-9]{${digits}}$` });

const observable = (
  type: string,
  properties: Record<string, object>,
  required: readonly string[],
  more: object = {},
): object => object({ type: { const: type }, ...properties }, ['type', ...required], more);

const $defs = {
  'external-reference': object(
    { source_name: text, description: text, url: { type: 'string', format: 'uri' }, external_id: text },
    ['source_name'],
    { anyOf: ['description', 'url', 'external_id'].map((key) => ({ required: [key] })) },
  ),
  'api-call': object(
    { function_name: text, address: text, return_value: text, parameters: dictionary(text) },
    ['function_name'],
  ),
  'malware-action': object(
    {
      type: { const: 'malware-action' },
      id: identifier('malware-action'),
      name: word,
      is_successful: { type: 'boolean' },
      description: text,
      timestamp: time,
      input_object_refs: list(objectRef),
      output_object_refs: list(objectRef),
      api_call: ref('api-call'),
    },
    ['type', 'id', 'name'],
  ),
  behavior: object(
    {
      type: { const: 'behavior' },
      id: identifier('behavior'),
      name: word,
      description: text,
      timestamp: time,
      attributes: dictionary(text),
      action_refs: list(identifier('malware-action')),
      technique_refs: list(ref('external-reference')),
    },
    ['type', 'id', 'name'],
  ),
  'process-tree-node': object(
    {
      process_ref: objectRef,
      parent_action_ref: identifier('malware-action'),
      ordinal_position: count,
      initiated_action_refs: list(identifier('malware-action')),
    },
    ['process_ref'],
  ),
  'dynamic-features': object(
    {
      behavior_refs: list(identifier('behavior')),
      action_refs: list(identifier('malware-action')),
      network_traffic_refs: list(objectRef),
      process_tree: list(ref('process-tree-node')),
    },
    [],
    { minProperties: 1 },
  ),
  'static-features': object({ strings: list(text) }, [], { minProperties: 1 }),
  'analysis-metadata': object(
    {
      is_automated: { type: 'boolean' },
      start_time: time,
      end_time: time,
      last_update_time: time,
      analysis_type: { enum: ['static', 'dynamic', 'combination'] },
      comments: list(text),
      tool_refs: list(objectRef),
      analysis_environment: object(
        { 'operating-system': objectRef, 'host-vm': objectRef, 'installed-software': list(objectRef) },
        [],
        { minProperties: 1 },
      ),
      description: text,
      conclusion: { enum: ['benign', 'malicious', 'suspicious', 'indeterminate'] },
      references: list(ref('external-reference')),
    },
    ['is_automated', 'analysis_type'],
  ),
  'signature-metadata': object(
    {
      signature_type: word,
      name: text,
      description: text,
      author: text,
      reference: ref('external-reference'),
      severity: text,
      external_id: text,
    },
    ['signature_type'],
    { anyOf: [{ required: ['name'] }, { required: ['description'] }] },
  ),
  'malware-instance': object(
    {
      type: { const: 'malware-instance' },
      id: identifier('malware-instance'),
      instance_object_refs: list(objectRef),
      labels: list(word),
      description: text,
      dynamic_features: ref('dynamic-features'),
      static_features: ref('static-features'),
      analysis_metadata: list(ref('analysis-metadata')),
      triggered_signatures: list(ref('signature-metadata')),
    },
    ['type', 'id', 'instance_object_refs'],
  ),
  relationship: object(
    {
      type: { const: 'relationship' },
      id: identifier('relationship'),
      source_ref: identifier('[a-z-]+'),
      target_ref: identifier('[a-z-]+'),
      timestamp: time,
      relationship_type: { type: 'string', pattern: '^[a-z0-9-]+$' },
      metadata: { type: 'object' },
    },
    ['type', 'id', 'source_ref', 'target_ref', 'relationship_type'],
  ),

  file: observable(
    'file',
    {
      hashes: object(
        {
          MD5: hex(32),
          'SHA-1': hex(40),
          'SHA-256': hex(64),
          'SHA-512': hex(128),
          ssdeep: { type: 'string', pattern: '^[a-zA-Z0-9/+:.]{1,128}$' },
        },
        [],
        { minProperties: 1 },
      ),
      size: count,
      name: { type: 'string', minLength: 1 },
      parent_directory_ref: objectRef,
    },
    [],
    { anyOf: [{ required: ['hashes'] }, { required: ['name'] }] },
  ),
  directory: observable('directory', { path: text }, ['path']),
  process: observable(
    'process',
    {
      pid: { type: 'integer' },
      name: text,
      created: time,
      command_line: text,
      opened_connection_refs: list(objectRef),
      binary_ref: objectRef,
      parent_ref: objectRef,
      child_refs: list(objectRef),
    },
    [],
    { minProperties: 2 },
  ),
  'http-request-ext': object(
    {
      request_method: text,
      request_value: text,
      request_version: text,
      request_header: dictionary(text),
      message_body_length: count,
    },
    ['request_method', 'request_value'],
  ),
  'network-traffic': observable(
    'network-traffic',
    {
      src_ref: objectRef,
      dst_ref: objectRef,
      src_port: port,
      dst_port: port,
      protocols: list(text),
      src_byte_count: count,
      dst_byte_count: count,
      extensions: object({ 'http-request-ext': ref('http-request-ext') }, [], { minProperties: 1 }),
    },
    ['protocols'],
    { anyOf: [{ required: ['src_ref'] }, { required: ['dst_ref'] }] },
  ),
  'domain-name': observable(
    'domain-name',
    {
      value: { type: 'string', pattern: '^(?=.{1,254}$)[\\w-]+(\\.[\\w-]+)*\\.?$' },
      resolves_to_refs: list(objectRef),
    },
    ['value'],
  ),
  'ipv4-addr': observable('ipv4-addr', { value: { type: 'string', format: 'ipv4' } }, ['value']),
  'ipv6-addr': observable('ipv6-addr', { value: { type: 'string', format: 'ipv6' } }, ['value']),
  url: observable('url', { value: text }, ['value']),
  software: observable('software', { name: text, version: text, vendor: text }, ['name']),
};

/** Errors name the property at fault when the type chooses the schema. */
const byType = (types: readonly (keyof typeof $defs)[]): object => ({
  type: 'object',
  required: ['type'],
  properties: { type: { enum: types } },
  allOf: types.map((type) => ({ if: { properties: { type: { const: type } } }, then: ref(type) })),
});

export const MAEC5_SCHEMA = {
  $id: 'maec-5.0',
  ...object(
    {
      type: { const: 'package' },
      id: identifier('package'),
      schema_version: { const: '5.0' },
      maec_objects: list(byType(['malware-instance', 'malware-action', 'behavior'])),
      observable_objects: {
        type: 'object',
        propertyNames: objectRef,
        additionalProperties: byType([
          'file',
          'directory',
          'process',
          'network-traffic',
          'domain-name',
          'ipv4-addr',
          'ipv6-addr',
          'url',
          'software',
        ]),
      },
      relationships: list(ref('relationship')),
    },
    ['type', 'id', 'schema_version', 'maec_objects'],
  ),
  $defs,
};
