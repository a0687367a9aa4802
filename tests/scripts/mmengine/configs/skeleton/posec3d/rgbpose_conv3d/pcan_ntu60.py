# In mmaction2 this is the model; the stand-in reads none of it.
