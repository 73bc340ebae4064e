@echo off
setlocal
if not defined NODE_COMPILE_CACHE set "NODE_COMPILE_CACHE=%~dp0..\..\.toolchain\node-compile-cache"
node "%~dp0main.ts" %*
