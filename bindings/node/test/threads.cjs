// Required before a program: the engine of reactor-engine/net has a thread.
'use strict';

require('reactor-engine/net').setEngineMode('threads');
