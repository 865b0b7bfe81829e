"""What an account owns in all modules together: counted, exported, and removed with the account.

Belongs here: what concerns filters, lists, annotators and addresses of an owner at once. How each of them is stored and
removed belongs to its module.
"""
