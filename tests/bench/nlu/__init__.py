"""`make nlu-bench`: understanding on public sets, by the same code as the product's."""
