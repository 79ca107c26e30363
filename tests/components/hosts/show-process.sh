# Prints the user of this script, and the names in its environment.
# shellcheck shell=bash
id -un
env | sed 's/=.*//' | sort
