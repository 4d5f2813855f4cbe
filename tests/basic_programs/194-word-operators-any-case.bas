print 7 Mod 4; 1 AND 1; 0 oR 1; NoT 0; 1 Is Type("integer");
