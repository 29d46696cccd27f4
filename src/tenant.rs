//! Client of a business cluster: nodes by providerID, cordon, evict.
