"""The wire package `hub.v1`. Everything beside this file is generated; edit `protos/hub/v1/*.proto` instead."""
