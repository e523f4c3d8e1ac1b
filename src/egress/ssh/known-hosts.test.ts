import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { KnownHosts, parseHostKeys, signatureAlgorithms } from './known-hosts.ts';

function key(type: string, byte: number): string {
  const body = Buffer.alloc(32, byte);
  const name = Buffer.from(type);
  const blob = Buffer.concat([Buffer.from([0, 0, 0, name.length]), name, Buffer.from([0, 0, 0, 32]), body]);
  return `${type} ${blob.toString('base64')}`;
}

const [a, b, c] = [key('ssh-ed25519', 1), key('ecdsa-sha2-nistp256', 2), key('ssh-rsa', 3)];
const hashed = (name: string) => {
  const salt = Buffer.alloc(20, 7);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
};

const lines: readonly (readonly [line: string, found: boolean])[] = [
  [`10.0.0.7 ${a}`, true],
  [`n1,other ${a} a comment`, true],
  [`10.0.0.? ${a}`, true],
  [`10.* ${a}`, true],
  [`10.*,!10.0.0.7 ${a}`, false],
  [`${hashed('10.0.0.7')} ${a}`, true],
  [`${hashed('10.0.0.8')} ${a}`, false],
  [`[10.0.0.7]:2222 ${a}`, false],
  [`10x0x0x7 ${a}`, false],
  [`# 10.0.0.7 ${a}`, false],
  [`@cert-authority 10.0.0.7 ${a}`, false],
  [`10.0.0.7 ssh-ed25519 ${b.split(' ')[1]}`, false],
  ['10.0.0.7 ssh-ed25519 %%%', false],
  [`10.0.0.7 ssh-dss ${a.split(' ')[1]}`, false],
];
for (const [line, found] of lines) {
  test(`${found ? 'is' : 'is not'} a key of 10.0.0.7, node n1: ${line.slice(0, 40)}`, () => {
    const { accepted } = new KnownHosts(line).lookup({ host: '10.0.0.7', port: 22 }, ['n1']);
    assert.equal(accepted.length, found ? 1 : 0);
  });
}

test('another port than 22 has keys of its own, and revoked keys are told apart', () => {
  const hosts = new KnownHosts(`[fd00::1]:2222 ${a}\nfd00::1 ${b}\n@revoked * ${c}\r\n`);
  const { accepted, revoked } = hosts.lookup({ host: 'fd00::1', port: 2222 });
  assert.deepEqual(
    accepted.map(({ type }) => type),
    ['ssh-ed25519'],
  );
  assert.deepEqual(
    revoked.map(({ type }) => type),
    ['ssh-rsa'],
  );
});

test('a Node may publish several keys, and SHA-1 signatures are never asked for', () => {
  assert.deepEqual(
    parseHostKeys(`${a}\n${b},${c}\nnonsense`).map(({ type }) => type),
    ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'],
  );
  assert.deepEqual(signatureAlgorithms('ssh-rsa'), ['rsa-sha2-512', 'rsa-sha2-256']);
  assert.deepEqual(signatureAlgorithms('ssh-ed25519'), ['ssh-ed25519']);
});
