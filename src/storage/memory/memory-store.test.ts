import { storeSuite } from '../store-suite.ts';
import { openMemoryStore } from './memory-store.ts';

storeSuite('memory', openMemoryStore);
