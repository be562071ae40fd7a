"""One page of a results folder, for people who have never seen the tool."""
